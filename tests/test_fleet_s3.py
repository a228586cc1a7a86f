"""A store of objects, by a real server on this machine: the same lake as in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fleets import alike, make_study

from ambulo import Recognizer
from ambulo.errors import FleetError
from ambulo.fleet import score

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'ambulo[fleet]'")
moto = pytest.importorskip("moto.server", reason="moto's server is not installed: pip install moto")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty bucket, which s3fs and the workers find by the environment."""
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("bucket")
    yield "s3://bucket"
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.slow
def test_a_bucket_is_scored_into_a_bucket(bucket: str, waist: Recognizer, tmp_path: Path) -> None:
    recognizer, study = waist.save(tmp_path / "r.ambulo"), make_study(tmp_path / "study", 2)
    with pytest.raises(FleetError, match="s3://none/in"):
        score("s3://none/in", f"{bucket}/out", recognizer)
    store = s3fs.S3FileSystem()
    store.put(f"{study}/", "bucket/in/", recursive=True)
    assert score(f"{bucket}/in", f"{bucket}/out", recognizer, workers=1).done == 2
    written = store.find("bucket/out", detail=True)
    again = score(f"{bucket}/in", f"{bucket}/out", recognizer, workers=1)
    assert (again.done, again.before) == (0, 2)
    kept = store.find("bucket/out", detail=True)
    assert {k: v["LastModified"] for k, v in kept.items() if "=" in k} == {
        k: v["LastModified"] for k, v in written.items() if "=" in k
    }
    store.get("bucket/out/", f"{tmp_path}/fetched/", recursive=True)
    score(str(study), str(tmp_path / "lake"), recognizer, workers=1)
    assert alike(tmp_path / "fetched", tmp_path / "lake", but=("stamp",))
    store.pipe("bucket/in/p1/day1.toml", b"zone = 1\n")  # it is heeded, and found to be wrong
    stated = score(f"{bucket}/in", f"{bucket}/out", recognizer, workers=1)
    assert list(stated.quarantined) == ["p1/day1.csv"]
    store.rm("bucket/in/p1/day1.toml")
    assert score(f"{bucket}/in", f"{bucket}/out", recognizer, workers=1).done == 1
    store.pipe("bucket/in/p0/day0.parquet", b"dear diary")
    changed = score(f"{bucket}/in", f"{bucket}/out", recognizer, workers=1)
    assert changed.before == 1 and list(changed.quarantined) == ["p0/day0.parquet"]
    assert not store.find("bucket/out/bouts/person=p0")
