"""The main job, end to end: learn from recordings, score on unseen people, draw a timeline.

`python examples/demo.py FOLDER` uses the HAPT recordings where they are to be had, else made-up
people, and writes everything into FOLDER.
"""

import sys
import time
from pathlib import Path

import numpy as np

from ambulo import AmbuloError, evaluate, load_dataset, read, report, train
from ambulo.readers.table import write


def load():
    """Real recordings if AMBULO_DATA, the cache or the network has them, else synthetic ones."""
    try:
        return load_dataset("hapt")
    except AmbuloError as error:
        print(f"No real data here, so these people are made up. ({str(error).splitlines()[0]})")
        return load_dataset("synthetic")


def main(folder: Path) -> None:
    """Run the demonstration and say where the results are."""
    began = time.perf_counter()
    dataset = load()
    windows = dataset.windows()
    learners = windows[~np.isin(windows.subjects, windows.official_test)]
    print(f"1. {windows!r}\n   learning from {len(learners.people)} people …")
    recognizer = train("best", learners)
    file = recognizer.save(folder / "waist.ambulo")

    scores = evaluate(recognizer, windows, explain=True)
    accuracy, worst = scores.accuracy(), scores.worst_person()
    print(
        f"2. on the {len(scores.people)} people it never saw: {accuracy['mean']:.1%} of "
        f"{scores.windows['test']} windows right\n   (95 % interval over people "
        f"{accuracy['low']:.1%} to {accuracy['high']:.1%}; worst person {worst['accuracy']:.1%})"
    )

    unseen = next(r for r in dataset.recordings if r.subject == scores.people[0])
    table = write(unseen, folder / f"{unseen.name}.csv", labels=False)
    timeline = recognizer.predict(read(table))
    print(f"3. {unseen.name}, {unseen.duration / 60:.1f} minutes of one of them, as a timeline:")
    print("\n".join("   " + line for line in str(timeline).splitlines()[:6]) + "\n   …")
    results = [
        file,
        table,
        timeline.save(folder / "timeline.png"),
        timeline.save(folder / "timeline.csv"),
        report.write_evaluation(scores, folder / "report", windows=windows)[0],
    ]
    print(f"4. {time.perf_counter() - began:.0f} s. Look at:")
    print("\n".join(f"   {path}" for path in results))
    print(f"   again: ambulo predict {file} {table} --out {folder / 'again.png'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
