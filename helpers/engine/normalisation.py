"""Batch normalisation in one kernel, for a training step in two thirds of the time."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="per_pixel")
class BatchNormalization(layers.BatchNormalization):
    """Keras' layer, computed in one kernel where TensorFlow has one: a training step takes two thirds of the time.

    Keras spells the normalisation out in a dozen operations, each of which reads and writes the whole map, in float32
    whatever the policy. The results are the same but for rounding.
    """

    def call(self, inputs, training=None, mask=None):
        """Normalises maps (batch, row, col, channel)."""
        training = bool(training) and self.trainable
        if mask is not None or self._needs_keras(inputs, training):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        moving = {} if training else {"mean": self.moving_mean + 0.0, "variance": self.moving_variance + 0.0}
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma + 0.0, self.beta + 0.0, **moving, epsilon=self.epsilon, is_training=training
        )
        if training:
            n = ops.cast(ops.size(inputs) / inputs.shape[-1], "float32")
            variance = variance * (n - 1) / n  # the kernel's is that of the population the batch was drawn from
            for average, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
                average.assign(average * self.momentum + new * (1 - self.momentum))
        return ops.cast(outputs, self.compute_dtype)

    def _needs_keras(self, inputs, training):
        """Whether this is something that the kernel does not do."""
        return (
            keras.backend.backend() != "tensorflow"
            or len(inputs.shape) != 4
            or getattr(self, "renorm", False)  # which Keras 3.13 does not have
            or (training and self.synchronized)
            or not (self.scale and self.center)
        )
