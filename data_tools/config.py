"""The flags of `build_tfrecords`: the single home of their defaults, bounds and help texts."""

import dataclasses

from catdog import flags, images


@dataclasses.dataclass(frozen=True)
class BuildConfig:
    """One field is one flag."""

    source: str = flags.option(
        flags.REQUIRED,
        "folder or zip of labelled pictures, or, with --layout=tfds, the name of a TFDS set",
    )
    output_dir: str = flags.option(
        flags.REQUIRED, "folder to make; it appears when all of it is finished"
    )
    layout: str = flags.option(
        "auto", "how the source is laid out: kaggle, petimages, image_folder, tfds or auto"
    )
    classes: tuple[str, ...] = flags.option(
        (), "class names in the order of their labels; empty takes the layout's own"
    )
    splits: tuple[str, ...] = flags.option(
        ("train=0.8", "validation=0.2"),
        "NAME=FRACTION that add up to 1, or NAME=COUNT, or 'published' for "
        "train=10000,validation=2500,test=12500",
    )
    sample_size: int = flags.option(
        0, "take this many pictures only, equally many of each class; 0 takes all", lower=0
    )
    exclude_duplicates_of: tuple[str, ...] = flags.option(
        (),
        "folders of built data sets: pictures that one of them has already, byte for byte, are "
        "left out before sampling and splitting, and listed in excluded.csv",
    )
    duplicates: str = flags.option(
        "group",
        "copies of a picture, also resized, re-encoded or mirrored ones: 'group' keeps them in one "
        "split, 'drop' takes one of them, 'allow' looks for exact copies only, which share a split",
        choices=("group", "drop", "allow"),
    )
    image_size: int = flags.option(
        256, "height and width of the stored pictures", lower=8, upper=4096
    )
    resize: str = flags.option(
        "squash",
        "squash to the square, or crop the middle square",
        choices=images.RESIZES,
    )
    jpeg_quality: int = flags.option(
        95, "quality of the stored JPEGs; chroma is always 4:2:0", lower=1, upper=100
    )
    decoder: str = flags.option(
        images.PILLOW,
        "what makes the JPEGs: pillow, or fast, which rounds some pixels differently and needs "
        "pip install simplejpeg cykooz-resizer; both reject the same pictures",
        choices=images.DECODERS,
    )
    num_shards: tuple[str, ...] = flags.option(
        ("auto",), "files of each split: auto, a number, or NAME=NUMBER for every split"
    )
    workers: int = flags.option(
        0, "processes that prepare pictures; 0 for one a core; no influence on the result", lower=0
    )
    seed: int = flags.option(0, "decides which picture is in which split and sample", lower=0)
    max_rejects: int = flags.option(
        -1, "stop when more pictures than this are rejected; -1 never stops", lower=-1
    )
    max_pixels: int = flags.option(
        50_000_000,
        "reject pictures with more pixels, before decoding them",
        lower=1,
        upper=images.PIXEL_LIMIT,
    )
    licence: str = flags.option(
        "unknown", "of the pictures, for the data card; as the Hub names it: cc0-1.0, for instance"
    )
    dry_run: bool = flags.option(False, "count and estimate only, write nothing")


@dataclasses.dataclass(frozen=True)
class VerifyConfig:
    """The flags of `verify_tfrecords`; one field is one flag."""

    data_dir: str = flags.option(flags.REQUIRED, "folder of a built data set")
    quick: bool = flags.option(False, "check the files' sizes and the manifest only")
    output_file: str = flags.option("", "a CSV with one row a problem; empty writes none")
    workers: int = flags.option(
        0, "processes that read shards; 0 for one a core; no influence on the result", lower=0
    )


@dataclasses.dataclass(frozen=True)
class BrowseConfig:
    """One field is one flag of `browse_tfrecords`."""

    data_dir: str = flags.option(flags.REQUIRED, "folder of a built data set")
    output_file: str = flags.option("browse.html", "the page to write; .html")
    source: str = flags.option(
        "",
        "what the data set was built from; with it the page has the sizes of the originals and "
        "what can still be seen of rejected pictures",
    )
    samples: int = flags.option(12, "pictures of each class and split", lower=1, upper=100)
    max_index: int = flags.option(
        200_000, "examples that can be searched for; each takes about 20 bytes", lower=0
    )
    search_pictures: int = flags.option(
        2000,
        "show pictures in the search when there are no more examples than this; each takes "
        "about 2 kB",
        lower=0,
    )
    seed: int = flags.option(0, "decides which pictures are the samples", lower=0)


@dataclasses.dataclass(frozen=True)
class InfoConfig:
    """One field is one flag of `info`."""

    data_dir: str = flags.option(flags.REQUIRED, "folder of a built data set")


@dataclasses.dataclass(frozen=True)
class DiffConfig:
    """One field is one flag of `diff`."""

    output_file: str = flags.option("", "write every difference as a row of this CSV file, too")
    rows: int = flags.option(20, "differences of each kind to print", lower=0)


@dataclasses.dataclass(frozen=True)
class CardConfig:
    """One field is one flag of `card`."""

    data_dir: str = flags.option(flags.REQUIRED, "folder of a built data set")
    output_file: str = flags.option("", "where to write it; empty for DATA_CARD.md in data_dir")
    licence: str = flags.option(
        "",
        "of the pictures, as the Hub names it: cdla-permissive-2.0, for instance; empty: as the "
        "card that is there says",
    )
    overwrite: bool = flags.option(False, "write over a card that was added to")
