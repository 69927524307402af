"""What looks wrong in a folder of photos and masks that can be read all the same: sentences for the report."""

from helpers.classes import VOID
from helpers.formats.folder import some
from helpers.formats.tables import VOID_NAMES

_FEW = 0.02  # the share of a class's pixels inside areas, below which the class lies along borders only
_DARK = 16  # of 255, the grey below which all of a photo is nearly black
_LONG = 5  # times as long as wide, above which hardly a fifth of a square is a photo's
_COMMON = 0.98  # the share of one class, above which the others hardly occur


def suspicions(facts, coding, counts, sides, group):
    """What looks wrong.

    Args:
        facts: {name: `survey.Facts`}. coding: the `Coding`.
        counts: {name: {label: (pixels, inside areas)}}.
        sides: {name: "train" or "test"}. group: {name: group of near-duplicates}.

    Returns:
        A list of sentences.
    """
    found = [
        *_borders(counts, coding.class_names), *_classes(counts, coding.class_names, sides), *_photos(facts),
        *_twins(facts, sides, group), *_overlaps(facts), *_voids(counts, coding.class_names),
    ]  # fmt: skip
    return [sentence for sentence in found if sentence]


def totals(counts):
    """The pixels of each label over all masks, and those inside areas: {label: (pixels, inside)}."""
    total = {}
    for of_one in counts.values():
        for label, (pixels, inner) in of_one.items():
            before = total.get(label, (0, 0))
            total[label] = (before[0] + pixels, before[1] + inner)
    return total


def _borders(counts, names):
    """Classes without insides: a mask that was resized, smoothed or saved as JPEG has such between two others."""
    total = {label: both for label, both in sorted(totals(counts).items()) if label != VOID}
    thin = {label: pixels for label, (pixels, inner) in total.items() if inner < _FEW * pixels}
    if sum(thin.values()) > 50:
        yield (
            "These classes lie along borders only, with hardly a pixel inside an area: "
            f"{some([names[label] for label in thin], 8)} ({sum(thin.values()):,} pixels). Were the masks resized or "
            "smoothed? Outlines and thin things are like this, too."
        )


def _classes(counts, names, sides):
    total = totals(counts)
    labelled = sum(pixels for label, (pixels, _) in total.items() if label != VOID)
    absent = [name for label, name in enumerate(names) if label not in total]
    if absent:
        yield f"No pixel has the class {some(absent, 10)}: remove it from the list, or add photos of it."
    for label, (pixels, _) in total.items():
        if label != VOID and pixels > _COMMON * labelled and len(names) > 1:
            share = 100 * pixels / labelled
            yield f"{names[label]!r} has {share:.1f} % of the labelled pixels: accuracy will say little."
    if len(names) == 1:
        yield f"There is one class, {names[0]!r}, so there is nothing to tell apart."
    empty = [name for name, of_one in counts.items() if set(of_one) <= {VOID}]
    if empty:
        yield f"{len(empty)} masks are void everywhere: {some(empty)}."
    same = [n for n, of_one in counts.items() if len(set(of_one) - {VOID}) == 1]
    if len(same) == len(counts) > 1 and len(names) > 1:
        yield "Every mask holds one class alone: are these masks of areas, or one number for a whole photo?"
    for side in ("train", "test"):
        here = {label for name, of_one in counts.items() if sides[name] == side for label in of_one}
        lacking = [name for label, name in enumerate(names) if label in total and label not in here]
        if lacking and side in sides.values():
            yield f"No {side} photo has {some(lacking, 10)}."
    if "test" not in sides.values():
        yield "There are no test photos: too few, or all nearly the same; add photos of other places."


def _voids(counts, names):
    """A class that may be void, and void that may be a class: 255 where other masks have 1, say, from two tools."""
    unlabelled = [name for name in names if name.casefold() in VOID_NAMES]
    if unlabelled:
        yield f"By its name, the class {some(unlabelled)} is what nobody labelled: if so, name it in void=."
    with_void = [name for name, of_one in counts.items() if VOID in of_one]
    beside = {label for name in with_void for label in counts[name]} - {VOID}
    others = {label for name in counts.keys() - set(with_void) for label in counts[name]} - beside
    if len(beside) == 1 and others:
        yield (
            f"{len(with_void)} masks hold void and {names[beside.pop()]!r} alone ({some(with_void)}), and void is "
            "nowhere beside another class: is what was read as void a class there?"
        )


def _photos(facts):
    dark = [name for name, fact in facts.items() if fact.photo.thumbnail.max() < _DARK]
    if dark:
        yield (
            f"{len(dark)} photos are nearly black ({some(dark)}): were 10 or 12 bits saved in a file of 16? Save them "
            "stretched over all greys."
        )
    if long := [name for name, fact in facts.items() if max(fact.rows, fact.cols) > _LONG * min(fact.rows, fact.cols)]:
        yield (
            f"{len(long)} photos are more than {_LONG} times as long as wide ({some(long)}), and little is left of "
            "such a strip where it is made to fit a square: cut it into pieces."
        )
    turned = [name for name, fact in facts.items() if fact.photo.orientation in (2, 3, 4)]
    if turned:
        yield (
            f"{len(turned)} photos are turned by EXIF without a change of size ({some(turned)}), so their masks "
            "cannot be checked by size: look at the outlines."
        )
    upright = [name for name, fact in facts.items() if fact.photo.orientation in (5, 6, 7, 8)]
    if upright:
        yield f"{len(upright)} photos are turned upright as EXIF says ({some(upright)}); some readers do not turn them."
    sizes = {(fact.rows, fact.cols) for fact in facts.values()}
    if len(sizes) > 1:
        yield f"The photos have {len(sizes)} sizes: data.at(256) gives all of them one, with void around."


def _twins(facts, sides, group):
    by_digest = {}
    for name, fact in facts.items():
        by_digest.setdefault(fact.photo.digest, []).append(name)
    same = [names for names in by_digest.values() if len(names) > 1]
    if same:
        yield f"{len(same)} photos are there more than once, byte for byte: {some(_equal(names) for names in same)}."
        labelled = [n for n in same if len({tuple(sorted(facts[one].values.items())) for one in n}) > 1]
        if labelled:
            yield f"The same photo has different masks: {some(_equal(names) for names in labelled)}."
    members = {}
    for name, first in group.items():
        members.setdefault(first, []).append(name)
    alike = [names for names in members.values() if len(names) > 1]
    if alike:
        n = sum(map(len, alike))
        yield f"{n} photos are nearly the same as another, in {len(alike)} groups, such as {some(alike[0])}."
    torn = [names for names in alike if len({sides[name] for name in names}) > 1]
    if torn:
        yield f"{len(torn)} groups of nearly equal photos have some that train and some that test: {some(torn[0])}."


def _equal(names):
    """Some names of one photo, and how many there are."""
    return " = ".join(names[:3]) + (f" = … ({len(names)} in all)" if len(names) > 3 else "")


def _overlaps(facts):
    twice = {name: fact.overlap for name, fact in facts.items() if fact.overlap}
    if twice:
        yield (
            f"{sum(twice.values()):,} pixels in {len(twice)} photos were annotated with two classes ({some(twice)}); "
            "the later annotation lies on top."
        )
