"""This room paints synthetic scenes: a canvas, surfaces, things, buildings, and the eight kinds of landscape."""
