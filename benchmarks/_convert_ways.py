"""The ways that `benchmarks.convert` compares; each does all of the work once, when it is called.

A way is a function of (source, folder, workers). It imports what it needs, then gives a function
that writes the records into the folder and returns how many: only that one is timed.
"""

import contextlib
import io
import multiprocessing
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from catdog import images

Work = Callable[[], int]

SIDE, QUALITY = 256, 95


def pictures(source: str, first: int = 0, step: int = 1) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each .jpg, .jpeg and .png of a folder or zip, in the order of the names.

    Or of every `step`-th of them, from number `first` on.
    """
    ends = (".jpg", ".jpeg", ".png")
    if Path(source).is_dir():
        paths = sorted(path for path in Path(source).rglob("*") if path.suffix.lower() in ends)
        for path in paths[first::step]:
            yield str(path.relative_to(source)), path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith(ends))
        for name in names[first::step]:
            yield name, archive.read(name)


def _prepared(item: tuple[str, bytes]) -> tuple[str, bytes] | None:
    name, data = item
    try:
        with Image.open(io.BytesIO(data)) as opened:
            image = opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    except Exception:  # the usual script passes over what it cannot open
        return None
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    return name, stream.getvalue()


def _write(prepared: Any, folder: Path, tf: Any) -> int:
    count = 0
    with tf.io.TFRecordWriter(str(folder / "records")) as writer:
        for item in prepared:
            if item is None:
                continue
            name, jpeg = item
            label = int("dog" in name.lower())
            features = {
                "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[jpeg])),
                "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                "image/filename": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[name.encode()])
                ),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
            count += 1
    return count


def script(source: str, folder: Path, workers: int) -> Work:
    """The usual script: Pillow and tf.io.TFRecordWriter, one process."""
    import tensorflow as tf

    return lambda: _write(map(_prepared, pictures(source)), folder, tf)


def script_pool(source: str, folder: Path, workers: int) -> Work:
    """The same work of Pillow in the processes of a multiprocessing.Pool, one writer."""
    pool = multiprocessing.get_context("fork").Pool(workers)  # before TensorFlow starts its threads
    import tensorflow as tf

    def work() -> int:
        with pool:
            count = _write(pool.imap(_prepared, pictures(source), chunksize=8), folder, tf)
            pool.close()
            pool.join()
        return count

    return work


def tf_ops(source: str, folder: Path, workers: int) -> Work:
    """TensorFlow's own operations in a tf.data pipeline: decode, antialiased bicubic, encode."""
    import tensorflow as tf

    def prepare(name: Any, data: Any) -> Any:
        image = tf.image.resize(
            tf.io.decode_jpeg(data, channels=3), (SIDE, SIDE), method="bicubic", antialias=True
        )
        image = tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
        return name, tf.io.encode_jpeg(image, quality=QUALITY)

    def work() -> int:
        kinds = (tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.string))
        data = tf.data.Dataset.from_generator(lambda: pictures(source), output_signature=kinds)
        data = data.map(prepare, num_parallel_calls=workers).ignore_errors()
        rows = ((name.decode(), jpeg) for name, jpeg in data.as_numpy_iterator())
        return _write(rows, folder, tf)

    return work


def tfds_builder(source: str, folder: Path, workers: int) -> Work:
    """A GeneratorBasedBuilder of TFDS whose pictures Pillow resizes."""
    import numpy as np
    import tensorflow_datasets as tfds

    class Pictures(tfds.core.GeneratorBasedBuilder):
        """The pictures of the source, resized."""

        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = folder

        def _info(self) -> Any:
            image = tfds.features.Image(shape=(SIDE, SIDE, 3), encoding_format="jpeg")
            features = tfds.features.FeaturesDict({"image": image, "label": np.int64})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager: Any) -> Any:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Any:
            for name, data in pictures(source):
                try:
                    image = Image.open(io.BytesIO(data)).convert("RGB")
                    image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
                except Exception:  # as above
                    continue
                yield name, {"image": np.asarray(image), "label": int("dog" in name.lower())}

    def work() -> int:
        builder = Pictures(data_dir=str(folder))
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(compute_stats="skip")
        )
        return int(builder.info.splits["train"].num_examples)

    return work


def _build(decoder: str) -> Callable[[str, Path, int], Work]:
    def way(source: str, folder: Path, workers: int) -> Work:
        from data_tools import build_tfrecords
        from data_tools.config import BuildConfig

        config = BuildConfig(
            source=source, output_dir=str(folder / "data"), workers=workers, decoder=decoder
        )
        return lambda: int(build_tfrecords.main(config)["kept"])

    return way


def _share(task: tuple[str, str, int, int]) -> int:
    """Makes a JPEG of each picture of a share, as a build does, and forgets it; how many."""
    source, decoder, first, step = task
    count = 0
    for _, data in pictures(source, first, step):
        with contextlib.suppress(images.RejectedPicture):
            images.to_record(data, image_size=SIDE, jpeg_quality=QUALITY, decoder=decoder)
            count += 1
    return count


def _bare(decoder: str) -> Callable[[str, Path, int], Work]:
    def way(source: str, folder: Path, workers: int) -> Work:
        """A build's conversion alone: no start of processes, no looks, sums or files."""
        images.check_decoder(decoder)
        pool = multiprocessing.get_context("fork").Pool(workers)

        def work() -> int:
            with pool:
                shares = [(source, decoder, first, workers) for first in range(workers)]
                return sum(pool.map(_share, shares, chunksize=1))

        return work

    return way


WAYS: dict[str, Callable[[str, Path, int], Work]] = {
    "script": script,
    "script_pool": script_pool,
    "build_pillow": _build("pillow"),
    "build_fast": _build("fast"),
    "bare_pillow": _bare("pillow"),
    "bare_fast": _bare("fast"),
    "tf_ops": tf_ops,
    "tfds_builder": tfds_builder,
}
