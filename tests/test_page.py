"""The page in Chromium: decides as Python does, collects, works offline, says what is wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import CHROMIUM, FEED, RUNTIME, Page, chromium
from serving import TOKEN, served

from ambulo import MODELS, Recognizer, Recording, load_dataset, train
from ambulo.datasets.synthetic import make
from ambulo.recognizer import softmax
from ambulo.stream import Stream
from ambulo.windows import Windows

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: scripts/install-debian-packages"),
    pytest.mark.skipif(
        not RUNTIME.is_file(), reason="needs ONNX Runtime: scripts/install-browser-runtime"
    ),
]
TWO = ("walking", "laying")
WHERE = {"walking": 0, "laying": 1}


@pytest.fixture
def recognizer(waist: Recognizer, tmp_path: Path) -> Path:
    return waist.save(tmp_path / "waist.ambulo")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with chromium(tmp_path / "profile") as page:
        page.before(FEED)
        yield page


def signal(seconds: float, rate: float = 60.0, seed: int = 9) -> np.ndarray:
    (recording,) = make(people=1, minutes=seconds / 60, rate=rate, seed=seed)
    return np.column_stack([recording.time, recording.values])


def visit(page: Page, url: str) -> None:
    """Open a server's page as its QR code does."""
    page.open(f"{url}/#token={TOKEN}")
    page.until("window.isReady")


def start_remote(page: Page) -> None:
    """Start a session that the server decides."""
    page.run("document.getElementById('remote').checked = true")
    press(page, "start")
    page.until("document.getElementById('start').textContent === 'Stop'")


def press(page: Page, name: str) -> None:
    page.run(f"document.getElementById('{name}').click()")


def text(page: Page, name: str) -> str:
    return str(page.run(f"document.getElementById('{name}').textContent"))


def recognise(page: Page, rows: np.ndarray) -> None:
    """A whole session of the page on these rows."""
    press(page, "start")
    page.until("document.getElementById('start').textContent === 'Stop'")
    page.run(f"feed({json.dumps(rows.tolist())}, 0)")
    press(page, "start")
    page.until("document.getElementById('start').textContent !== 'Stop'")


def decided(recognizer: Path, rows: np.ndarray) -> np.ndarray:
    stream = Stream(Recognizer.load(recognizer))
    decisions = stream.push(rows[:, 0], rows[:, 1:]) + stream.finish()
    return np.array([d.probabilities for d in decisions])


@pytest.mark.slow
def test_it_decides_as_python_does_and_offline_too(recognizer: Path, page: Page) -> None:
    rows = signal(45)
    expected = decided(recognizer, rows)
    with served(recognizer=recognizer) as url:
        visit(page, url)
        assert TOKEN not in page.run("location.href")
        assert text(page, "status") == "On this phone"
        recognise(page, rows)
        got = page.run("decisions")
        assert np.abs(np.array([d["probabilities"] for d in got]) - expected).max() < 1e-3
        # iOS gives acceleration with the opposite sign: it is measured against the orientation.
        flipped = rows * [1, -1, -1, -1, 1, 1, 1]
        page.run(
            "decisions.length = 0; dispatchEvent(new DeviceOrientationEvent("
            "'deviceorientation', { alpha: 0, beta: 0, gamma: -90 }))"
        )
        page.run(
            "window.tell = () => dispatchEvent(new DeviceOrientationEvent("
            "'deviceorientation', { alpha: 0, beta: 0, gamma: -90 })); setInterval(tell, 1)"
        )
        page.run("addEventListener('devicemotion', tell, true)")
        recognise(page, flipped)
        got = page.run("decisions")
        assert np.abs(np.array([d["probabilities"] for d in got]) - expected).max() < 1e-3
        page.until("navigator.serviceWorker.controller !== null")
        page.open(f"{url}/")  # now through the worker, which keeps copies
        page.until("window.isReady")
    page.complaints.clear()
    page.open(f"{url}/")
    page.until("window.isReady")
    recognise(page, rows)
    got = page.run("decisions")
    assert np.abs(np.array([d["probabilities"] for d in got]) - expected).max() < 1e-3
    assert [c for c in page.complaints if "ERR_CONNECTION_REFUSED" not in c] == []


def browsers_logits(page: Page, graph: bytes, values: np.ndarray) -> np.ndarray:
    """What the page's runtime makes of windows, one by one."""
    packed = base64.b64encode(values.astype("<f4").tobytes()).decode()
    got = page.run(f"""(async () => {{
      const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      const {{ load }} = await import("./network.js");
      const run = await load(bytes("{base64.b64encode(graph).decode()}"), {list(values.shape[1:])});
      const windows = new Float32Array(bytes("{packed}").buffer);
      const out = [], size = {values[0].size};
      for (let k = 0; k < windows.length; k += size) {{
        out.push([...(await run(windows.slice(k, k + size))).logits]);
      }}
      return out;
    }})()""")
    return np.array(got)


@cache
def real_windows() -> Windows:
    """500 windows of real people."""
    windows = load_dataset("hapt").windows(keep="all")
    return windows[:: len(windows) // 500][:500]


@cache
def learnt(name: str, frame: str) -> Recognizer:
    return train(name, real_windows().labelled(), progress=False, epochs=1, frame=frame)


@pytest.mark.real
@pytest.mark.parametrize("frame", ["sensor", "both"])
def test_every_model_gives_the_same_on_real_windows(
    recognizer: Path, page: Page, frame: str
) -> None:
    """Of torch, ONNX Runtime on one window or many, and the browser, on 500 real windows."""
    windows = real_windows()
    values = torch.as_tensor(windows.values)
    with served(recognizer=recognizer) as url:
        visit(page, url)
        for name in MODELS:
            model = learnt(name, frame)
            expected = model.probabilities(windows.values)
            network = model.to_network()
            assert network is not None
            with torch.no_grad():
                logits = {"torch": network(values).numpy()}
            ones = [model.logits(window[None]) for window in windows.values]
            logits["one by one"] = np.concatenate(ones)
            logits["browser"] = browsers_logits(page, model.graph, windows.values)
            for runtime, found in logits.items():
                got, most = (
                    softmax(found / model.temperature),
                    1e-3 if runtime == "browser" else 1e-4,
                )
                assert np.abs(got - expected).max() < most, (name, runtime)
                assert (got.argmax(1) == expected.argmax(1)).all(), (name, runtime)


@pytest.mark.real
@pytest.mark.parametrize("name", MODELS)
def test_a_whole_real_recording_is_decided_alike(name: str, page: Page, tmp_path: Path) -> None:
    """Of a batch, a stream and the page."""
    recording = replace(load_dataset("hapt").recordings[0], intervals=())
    recognizer = learnt(name, "sensor")
    file = recognizer.save(tmp_path / "real.ambulo")
    rows = np.column_stack([recording.time, recording.values]).astype(float)
    windows = recognizer.windowing.cut([recording], recognizer.activities)
    batch = recognizer.decide(windows, context="causal")
    with served(recognizer=file) as url:
        visit(page, url)
        recognise(page, rows)
        browser = np.array([d["probabilities"] for d in page.run("decisions")])
    for found, most in ((decided(file, rows), 1e-4), (browser, 1e-3)):
        assert found.shape == batch.shape and len(found) > 300
        assert np.abs(found - batch).max() < most
        assert (found.argmax(1) == batch.argmax(1)).all()


@pytest.mark.slow
def test_the_server_decides_where_the_phone_is_to_leave_it(recognizer: Path, page: Page) -> None:
    rows = signal(30)
    with served(recognizer=recognizer) as url:
        visit(page, url)
        page.run("document.getElementById('remote').checked = true")
        recognise(page, rows)
        got = page.until("decisions.length > 5 && decisions")
    expected = decided(recognizer, rows)
    assert np.abs(np.array([d["probabilities"] for d in got]) - expected).max() < 1e-4


def test_a_name_without_end_leaves_the_page_in_its_width(
    waist: Recognizer, page: Page, tmp_path: Path
) -> None:
    names = tuple(f"{name}-{'m' * 200}" for name in waist.activities)
    with served(recognizer=replace(waist, activities=names).save(tmp_path / "r.ambulo")) as url:
        visit(page, url)
        start_remote(page)
        page.run(f"feed({json.dumps(signal(20).tolist())}, 0)")
        page.until("document.querySelectorAll('#bouts li').length")
        assert page.run("document.documentElement.scrollWidth") == 390
        press(page, "start")
        page.until("document.getElementById('start').textContent === 'New session'")
        assert page.run("document.documentElement.scrollWidth") == 390


@pytest.mark.slow
def test_what_a_server_had_not_decided_when_it_went_is_decided_when_it_is_back(
    recognizer: Path, page: Page
) -> None:
    rows = signal(60)
    with served(recognizer=recognizer) as url:
        visit(page, url)
        start_remote(page)
        page.run(f"feed({json.dumps(rows[:1800].tolist())}, 0)")
        page.until("decisions.length > 10")
    page.until("document.getElementById('trouble-title').textContent === 'The server is away'")
    assert text(page, "activity") == "Waiting"
    page.run(f"feed({json.dumps(rows[1800:].tolist())}, 0)")
    with served(recognizer=recognizer, port=int(url.rpartition(":")[2])):
        page.until(f"decisions.at(-1).end > {rows[-1, 0] - 3}")
        press(page, "start")
        decisions = page.run("decisions")
        page.until("document.getElementById('start').textContent === 'New session'")
        assert page.run("document.getElementById('trouble').hidden")
    starts = sorted(d["start"] for d in decisions)
    assert starts[0] < 0.1 and max(np.diff(starts)) < 1.4  # a window begins each 1.28 s


@pytest.mark.slow
def test_what_is_not_decided_when_a_session_ends_is_said(recognizer: Path, page: Page) -> None:
    page.before(
        "window.locks = 0; navigator.wakeLock.request = async () => {"
        " window.locks++; return { release: () => { window.locks--; } }; }"
    )
    with served(recognizer=recognizer) as url:
        visit(page, url)
        start_remote(page)
        page.run(f"feed({json.dumps(signal(20).tolist())}, 0)")
        page.until("decisions.length > 10")
        assert page.run("window.locks") == 1
    later = signal(20) + [20, 0, 0, 0, 0, 0, 0]
    page.run(f"feed({json.dumps(later.tolist())}, 0)")
    page.until("!document.getElementById('trouble').hidden")
    press(page, "start")
    page.until("document.getElementById('trouble-title').textContent === 'Not all was decided'")
    assert "0:2" in text(page, "trouble-text") and page.run("window.locks") == 0


@pytest.mark.slow
def test_a_session_adds_up_with_what_was_unknown_or_never_came(
    recognizer: Path, page: Page, tmp_path: Path
) -> None:
    rows = signal(40)
    rows[1200:, 0] += 10
    model = Recognizer.load(recognizer)
    assert model.unknown is not None
    strange = replace(model, unknown=replace(model.unknown, above=-99.0))
    for file, other in ((recognizer, ""), (strange.save(tmp_path / "strange.ambulo"), "unknown")):
        with served(recognizer=file) as url:
            visit(page, url)
            recognise(page, rows)
            assert "no signal" in text(page, "totals") and other in text(page, "totals")
            told = page.run("[...document.querySelectorAll('#totals .number')].map(x=>x.innerText)")
            seconds = [60 * int(t.split(":")[0]) + int(t.split(":")[1]) for t in told]
            minutes, rest = text(page, "length").split(":")
            assert abs(sum(seconds) - 60 * int(minutes) - int(rest)) <= len(told) / 2


@pytest.mark.slow
def test_a_refusal_says_what_to_do(recognizer: Path, page: Page, tmp_path: Path) -> None:
    page.before("DeviceMotionEvent.requestPermission = async () => 'denied'")
    with served(recognizer=recognizer) as url:
        visit(page, url)
        press(page, "start")
        page.until("!document.getElementById('trouble').hidden")
        assert text(page, "trouble-title") == "Not allowed"
        assert "Settings" in text(page, "trouble-text")
        page.open(f"{url}/?again#token=another-token-that-is-wrong")
        page.until("document.getElementById('trouble-title').textContent === 'Not paired'")


def bout(activity: str, seed: int, seconds: int = 40) -> Recording:
    """Only this activity, of a made-up person."""
    (recording,) = make(people=1, minutes=max(8.0, seconds / 5), seed=seed)
    inside = np.concatenate(
        [
            np.arange(round(i.start * 50), round(i.end * 50))
            for i in recording.intervals
            if i.activity == activity
        ]
    )
    return replace(recording, values=recording.values[inside][: 50 * seconds], intervals=())


def collect(page: Page, seed: int, seconds: int = 40, names: tuple[str, ...] = TWO) -> None:
    """Record both activities, each under its button, in the page's own time."""
    page.run("document.getElementById('countdown').value = '0'")
    page.run(f"document.getElementById('names').value = {json.dumps(chr(10).join(names))}")
    page.run("document.getElementById('who').requestSubmit()")
    page.until("!document.getElementById('recording').hidden")
    assert page.run("document.activeElement.parentElement.id") == "choices"
    page.run("document.addEventListener('collected', () => { window.collected = true; })")
    for activity in TWO:
        values = bout(activity, seed, seconds).values.astype(float)
        rows = np.column_stack([np.arange(len(values)) / 50, values]).tolist()
        # The clock of the page is set forward as if the signal had taken its time.
        page.run(f"""(async () => {{
          const choices = document.getElementById("choices").children;
          choices[{WHERE[activity]}].click();
          const from = performance.timeOrigin + performance.now() + 20;
          await feed({json.dumps(rows)}, from);
          window.skipped += {len(rows) * 20 + 100};
          choices[{WHERE[activity]}].click();
        }})()""")
    press(page, "finish")
    page.until("window.collected")


CLOCK = """
window.skipped = 0;
const clock = performance.now.bind(performance);
performance.now = () => clock() + window.skipped;
"""


def online(page: Page, yes: bool) -> None:
    network = {"latency": 20, "downloadThroughput": -1, "uploadThroughput": -1}
    page.send("Network.emulateNetworkConditions", offline=not yes, **network)


@pytest.mark.slow
def test_a_phone_without_a_network_for_five_minutes_loses_nothing(
    page: Page, tmp_path: Path
) -> None:
    """Five minutes of signal, in the page's own time, come while no server can be reached."""
    page.before(CLOCK)
    with served(collect=tmp_path) as url:
        visit(page, url)
        page.until("document.getElementById('kept').textContent === 'All is on the server.'")
        page.run("document.getElementById('person').value = 'p1'")
        online(page, False)
        collect(page, 3, seconds=150)
        assert "parts are on this phone" in text(page, "kept")
        assert not list(tmp_path.glob("*/*.csv"))
        online(page, True)
        page.run("dispatchEvent(new Event('online'))")
        page.until("document.getElementById('kept').textContent === 'All is on the server.'")
    (recording,) = load_dataset(str(tmp_path)).recordings
    expected = sum(len(bout(activity, 3, 150)) for activity in TWO)
    assert [i.activity for i in recording.intervals] == list(TWO) and len(recording) >= expected
    assert expected == 2 * 150 * 50


@pytest.mark.slow
def test_a_full_phone_and_any_name_lose_nothing(page: Page, tmp_path: Path) -> None:
    page.before(CLOCK)
    page.before(
        "const full = () => { throw new DOMException('', 'QuotaExceededError'); };"
        "IDBObjectStore.prototype.put = full;"
        "const { setItem } = Storage.prototype;"
        "Storage.prototype.setItem = function (key, value) {"
        " if (key === 'ambulo-open') full(); setItem.call(this, key, value); }"
    )
    names = ("- Rowing² (fast)", "चलना " + 40 * "x")
    with served(collect=tmp_path) as url:
        visit(page, url)
        page.run("document.getElementById('person').value = 'p1'")
        online(page, False)
        collect(page, 3, names=names)
        assert "storage is full" in text(page, "kept")
        online(page, True)
        page.run("dispatchEvent(new Event('online'))")
        page.until("document.getElementById('kept').textContent === 'All is on the server.'")
    (recording,) = load_dataset(str(tmp_path)).recordings
    assert [i.activity for i in recording.intervals] == ["rowing fast", "चलना " + 35 * "x"]
    assert len(recording) >= sum(len(bout(activity, 3)) for activity in TWO)


@pytest.mark.slow
def test_a_refused_part_holds_no_other_up(page: Page, tmp_path: Path) -> None:
    with served(collect=tmp_path) as url:
        visit(page, url)
        page.run("""(async () => {
          const { Store } = await import("./store.js");
          window.store = new Store(() => undefined);
          const part = { number: 0, person: "p1", channels: 3, last: true };
          part.samples = [[1, 2, 3, 4]];
          await window.store.keep("a", { ...part, person: "no code" });
          await window.store.keep("b", part);
          await window.store.send();
        })()""")
        page.until("document.getElementById('kept').textContent.includes('person: String should')")
    assert [path.name for path in tmp_path.glob("*/*.csv")] == ["b.csv"]


@pytest.mark.slow
def test_a_recording_of_another_tab_is_left_to_it(page: Page, tmp_path: Path) -> None:
    page.before(
        "localStorage['ambulo-open'] = '{}';"
        "navigator.locks.request('ambulo-open', () => new Promise(() => {}))"
    )
    with served(collect=tmp_path) as url:
        visit(page, url)
        page.run("document.getElementById('person').value = 'p1'")
        page.run("document.getElementById('who').requestSubmit()")
        page.until("document.getElementById('kept').textContent.startsWith('Another tab')")
        assert page.run("localStorage['ambulo-open']") == "{}"


@pytest.mark.slow
def test_collect_train_recognise(page: Page, tmp_path: Path) -> None:
    page.before(CLOCK)
    folder = tmp_path / "recordings"
    with served(collect=folder) as url:
        for seed, person in enumerate(("p1", "p2", "p3")):
            page.open(f"{url}/?{person}#token={TOKEN}")
            page.until("window.isReady")
            page.run(f"document.getElementById('person').value = '{person}'")
            collect(page, seed)
        page.until("document.getElementById('kept').textContent === 'All is on the server.'")
    assert page.complaints == []
    dataset = load_dataset(str(folder))
    assert dataset.people == ["p1", "p2", "p3"] and dataset.info.rate == 50.0
    assert dataset.info.placements == ("waist",)
    for recording in dataset.recordings:
        assert [i.activity for i in recording.intervals] == list(TWO)
        seconds = [i.end - i.start for i in recording.intervals]
        assert seconds == pytest.approx([40, 40], abs=1)
    model = train("features", dataset.windows()).save(tmp_path / "two.ambulo")
    with served(recognizer=model) as url:
        for activity in TWO:
            page.open(f"{url}/?{activity}#token={TOKEN}")
            page.until("window.isReady")
            values = bout(activity, 77, 15).values.astype(float)
            recognise(page, np.column_stack([np.arange(len(values)) / 50, values]))
            found = [d["activity"] for d in page.run("decisions")]
            assert found.count(activity) / len(found) > 0.8, found
