"""What the data set of these tests holds, by an independent reader."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from catdog import schema


@pytest.fixture(scope="session")
def window_bytes(manifest: schema.Manifest) -> int:
    """So many that an epoch takes several windows of several shards."""
    return manifest.split("train").bytes // 3


@pytest.fixture(scope="session")
def stored(data_dir: Path, manifest: schema.Manifest) -> list[tuple[np.ndarray, int]]:
    """(decoded picture, label) of each training example, read with TensorFlow's own parser."""
    found = []
    for shard in manifest.split("train").shards:
        for record in tf.data.TFRecordDataset(str(data_dir / shard.file)).as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            assert feature["image/filename"].bytes_list.value[0] == b"train/%d.jpg" % len(found)
            jpeg = feature["image/encoded"].bytes_list.value[0]
            label = feature["image/class/label"].int64_list.value[0]
            found.append((tf.io.decode_jpeg(jpeg).numpy(), label))
    return found
