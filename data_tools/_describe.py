"""The files beside the shards: TFDS' own, the tables of pictures, and the manifest's content."""

import hashlib
import importlib.metadata
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import PIL
from PIL import features

from catdog import files, images, schema
from data_tools import _similar_report, splits
from data_tools._plan import Plan
from data_tools.config import BuildConfig
from data_tools.writer import WrittenShard

_TFDS = "tensorflow_datasets.core.features"

Written = Mapping[str, Sequence[WrittenShard]]


def _tfds_files(
    splits: dict[str, schema.Split], class_names: tuple[str, ...], image_size: int
) -> dict[str, Any]:
    """The names and contents (text, or what is to be JSON) that let TFDS read the folder."""
    text = {"pythonClassName": f"{_TFDS}.text_feature.Text", "text": {}}
    number = {
        "pythonClassName": f"{_TFDS}.tensor_feature.Tensor",
        "tensor": {"dtype": "int64", "encoding": "none", "shape": {}},
    }
    features = {
        "image/class/label": {
            "classLabel": {"numClasses": str(len(class_names))},
            "pythonClassName": f"{_TFDS}.class_label_feature.ClassLabel",
        },
        "image/class/text": text,
        "image/encoded": {
            "image": {
                "dtype": "uint8",
                "encodingFormat": "jpeg",
                "shape": {"dimensions": [str(image_size), str(image_size), "3"]},
            },
            "pythonClassName": f"{_TFDS}.image_feature.Image",
        },
        "image/filename": text,
        "image/format": text,
        "image/height": number,
        "image/key/sha256": text,
        "image/width": number,
    }
    return {
        "features.json": {
            "featuresDict": {"features": features},
            "pythonClassName": f"{_TFDS}.features_dict.FeaturesDict",
        },
        "dataset_info.json": _dataset_info(splits),
        # TFDS reads the class names from here, one a line
        "image.class.label.labels.txt": "".join(f"{name}\n" for name in class_names),
    }


def _dataset_info(splits: dict[str, schema.Split]) -> dict[str, Any]:
    return {
        "description": "Labelled pictures, written by catdog.",
        "fileFormat": "tfrecord",
        "name": schema.NAME,
        "splits": [
            {
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                "name": split.name,
                "numBytes": str(split.bytes),
                "shardLengths": [str(shard.examples) for shard in split.shards],
            }
            for split in splits.values()
        ],
        "supervisedKeys": {
            "tuple": {
                "items": [{"featureKey": "image/encoded"}, {"featureKey": "image/class/label"}]
            }
        },
        "version": f"{schema.SCHEMA_VERSION}.0.0",
    }


def _splits(written: Written, class_names: tuple[str, ...]) -> dict[str, schema.Split]:
    found = {}
    for name, shards in written.items():
        labels = sum((shard.label_counts() for shard in shards), Counter[int]())
        counts = tuple(labels[label] for label in range(len(class_names)))
        found[name] = schema.Split(name, tuple(shard.shard for shard in shards), counts)
    return found


def _splits_csv(plan: Plan, source: str) -> str:
    """One row a record, in the order in which they are read."""
    header = ("key", "sha256", "label", "class", "split", "source", "shard", "record")
    return files.csv_text(
        header,
        (
            (picture.key, picture.sha256, picture.label, plan.class_names[picture.label])
            + (name, source, index, record)
            for name, shards in plan.shards.items()
            for index, pictures in enumerate(shards)
            for record, picture in enumerate(pictures)
        ),
    )


def _excluded_csv(plan: Plan) -> str:
    """One row a picture that is in another data set, sorted by key, and where it is there."""
    return files.csv_text(
        ("key", "sha256", "data_set", "key_there", "split_there"),
        (
            (picture.key, picture.sha256)
            + (picture.twin.data_set, picture.twin.key, picture.twin.split)
            for picture in plan.excluded
        ),
    )


def _duplicates_csv(plan: Plan, config: BuildConfig) -> str:
    return _similar_report.csv(
        plan.duplicates,
        plan.class_names,
        policy=config.duplicates,
        splits={
            picture.key: name
            for name, shards in plan.shards.items()
            for pictures in shards
            for picture in pictures
        },
    )


def tables(plan: Plan, config: BuildConfig, source: dict[str, str]) -> dict[str, str]:
    """The tables of pictures, their texts by name: what the plan tells without its shards."""
    found = {
        "splits.csv": _splits_csv(plan, source["name"]),
        "rejects.csv": files.csv_text(
            ("key", "reason", "sha256"),
            ((reject.key, reject.reason, reject.sha256) for reject in plan.rejects),
        ),
    }
    # Builds that have nothing of the kind stay as they were before there was any, to the byte.
    if plan.excluded_by:
        found["excluded.csv"] = _excluded_csv(plan)
    if plan.duplicates:
        found["duplicates.csv"] = _duplicates_csv(plan, config)
    return found


def _settings(config: BuildConfig, excluded_by: Sequence[str]) -> dict[str, Any]:
    """What decides which picture is where; other data sets are named by their fingerprints."""
    settings: dict[str, Any] = {
        "splits": [f"{wish.name}={wish.share}" for wish in splits.parse(config.splits)],
        "sample_size": config.sample_size,
        "seed": config.seed,
    }
    if excluded_by:
        settings["exclude_duplicates_of"] = list(excluded_by)
    if config.duplicates != _similar_report.GROUP:
        settings["duplicates"] = config.duplicates
    return settings


def libraries(decoder: str = images.PILLOW) -> dict[str, str]:
    """The versions of what decodes, resizes and encodes: with equal ones, equal bytes come out."""
    jpeg = features.version("libjpeg_turbo") or features.version("jpg") or "unknown"
    found = {"pillow": PIL.__version__, "libjpeg": str(jpeg)}
    if decoder == images.FAST:
        for name in ("simplejpeg", "cykooz-resizer"):
            found[name] = importlib.metadata.version(name)
    return found


def _preparation(config: BuildConfig) -> dict[str, Any]:
    preparation: dict[str, Any] = {
        "image_size": config.image_size,
        "resize": config.resize,
        "jpeg_quality": config.jpeg_quality,
        "subsampling": images.SUBSAMPLING,
        "max_pixels": config.max_pixels,
    }
    if config.decoder != images.PILLOW:  # as for the settings above
        preparation["decoder"] = config.decoder
    return preparation


def _texts(contents: dict[str, Any]) -> dict[str, str]:
    return {
        name: content if isinstance(content, str) else json.dumps(content, indent=1) + "\n"
        for name, content in sorted(contents.items())
    }


def stated(
    config: BuildConfig,
    source: dict[str, str],
    class_names: Sequence[str],
    excluded_by: Sequence[str],
) -> dict[str, Any]:
    """What the manifest will say of the settings, known before a picture is read."""
    return {
        "class_names": list(class_names),
        "preparation": _preparation(config),
        "source": source,
        "build": _settings(config, excluded_by),
        "libraries": libraries(config.decoder),
    }


def describe(
    plan: Plan,
    config: BuildConfig,
    source: dict[str, str],
    written: Written,
    lists: Mapping[str, str],
) -> tuple[schema.Manifest, dict[str, str]]:
    """The manifest of the shards, and the texts of the files beside them by name.

    Args:
      lists: the plan's `tables`.
    """
    found = _splits(written, plan.class_names)
    counts: dict[str, Any] = {
        "kept": sum(split.examples for split in found.values()),
        "rejected": len(plan.rejects),
        "left_out": plan.left_out,
        "passed_over": plan.passed_over,
    }
    if plan.excluded_by:  # as for the tables above
        counts["excluded"] = len(plan.excluded)
    if plan.duplicates:
        counts["duplicates"] = _similar_report.counts(plan.duplicates, config.duplicates)
    texts = _texts({**_tfds_files(found, plan.class_names, config.image_size), **lists})
    manifest = schema.Manifest(
        schema_version=schema.SCHEMA_VERSION,
        class_names=plan.class_names,
        preparation=_preparation(config),
        source=source,
        build=_settings(config, plan.excluded_by),
        counts=counts,
        libraries=libraries(config.decoder),
        files={name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()},
        splits=found,
    )
    return manifest, texts
