"""The paper's Figure 4 (b-d) as one would write it in numpy: all runs and all q of a device and p at once, second by second.

    figure_4.py DEVICES POINTS      reads what `figure-4 devices` wrote, writes points as `figure-4 JOBS` does
    figure_4.py --compare A B       whether two files of points agree as two simulations with different seeds should
"""

import csv
import math
import sys

import numpy as np

P = [n / 100 for n in range(1, 11)]
Q = np.array([n / 100 for n in range(101)])
TRIALS, SECONDS, SEED = 50, 10_000, 1


def simulate(rng, p, period, lengths, sizes):
    """Periods, genuine periods (runs x q) and genuine bytes (runs)."""
    shape = (TRIALS, len(Q))
    idle_from = np.zeros(TRIALS)
    genuine_bytes = np.zeros(TRIALS)
    padded_until = np.zeros(shape)
    periods = np.zeros(shape, dtype=np.int64)
    genuine = np.zeros(shape, dtype=np.int64)
    # Whether the period under way is known to be genuine.
    known = np.zeros(shape, dtype=bool)
    for second in range(SECONDS):
        begins = (idle_from <= second) & (rng.random(TRIALS) < p)
        cover = rng.random(shape) < Q
        new = (padded_until <= second) & (cover | begins[:, None])
        padded_until[new] = second + period
        periods += new
        known[new] = False
        runs = np.flatnonzero(begins)
        if len(runs):
            which = rng.integers(len(lengths), size=len(runs))
            end = second + lengths[which]
            idle_from[runs] = np.ceil(end)
            genuine_bytes[runs] += sizes[which]
            more = np.maximum(np.ceil((end[:, None] - padded_until[runs]) / period), 0)
            padded_until[runs] += more * period
            periods[runs] += more.astype(np.int64)
            genuine[runs] += more.astype(np.int64) + ~known[runs]
            known[runs] = True
    return periods, genuine, genuine_bytes


def ratio(part, whole):
    """Ratio of sums over runs, and half of its 95 % interval (Cochran, Sampling Techniques, 6.3)."""
    value = part.sum(axis=0) / whole.sum(axis=0)
    square = ((part - value * whole) ** 2).sum(axis=0) / (TRIALS - 1) / TRIALS
    return value, 1.959963984540054 * np.sqrt(square) / whole.mean(axis=0)


def figure(devices, points):
    models = {}
    with open(devices, newline="") as file:
        for row in csv.DictReader(file):
            models.setdefault(row["device"], []).append({k: float(v) for k, v in row.items() if k != "device"})
    rng = np.random.default_rng(SEED)
    with open(points, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["device", "p", "q", "confidence", "confidence_half", "overhead", "overhead_half"])
        for device, rows in models.items():
            lengths = np.array([row["activity_s"] for row in rows])
            sizes = np.array([row["activity_bytes"] for row in rows])
            for p in P:
                periods, genuine, genuine_bytes = simulate(rng, p, rows[0]["period_s"], lengths, sizes)
                c, c_half = ratio(genuine, periods)
                whole = np.broadcast_to(genuine_bytes[:, None], periods.shape)
                b, b_half = ratio(periods * rows[0]["padded_bytes"], whole)
                for n, q in enumerate(Q):
                    out.writerow([device, p, q, c[n], c_half[n], b[n], b_half[n]])


def compare(ours, theirs):
    """Differences in standard errors: all should be below 5, and their root mean square near 1.

    Points of one device and p share their activities, so there are some 30 independent curves and not 3,030 points: the
    root mean square of this many lies below 1.5 in all but a vanishing share of cases.
    """
    rows = [list(csv.DictReader(open(name, newline=""))) for name in (ours, theirs)]
    failed = len(rows[0]) != len(rows[1])
    for what in ("confidence", "overhead"):
        apart = []
        for a, b in zip(*rows):
            failed |= a["device"] != b["device"] or any(abs(float(a[k]) - float(b[k])) > 1e-9 for k in "pq")
            difference = float(a[what]) - float(b[what])
            error = math.hypot(float(a[what + "_half"]), float(b[what + "_half"])) / 1.959963984540054
            # Where nothing varies, as c at q = 0, there must be no difference.
            apart.append(difference / error if error > 1e-9 else (0 if abs(difference) < 1e-6 else math.inf))
        most, mean = max(map(abs, apart)), math.sqrt(sum(z * z for z in apart) / len(apart))
        print(f"{what}: {len(apart)} points, differences of {mean:.2f} standard errors (root mean square), {most:.2f} at most")
        failed |= not (most < 5 and mean < 1.5)
    if failed:
        sys.exit("they do not agree")


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        compare(*sys.argv[2:4])
    else:
        figure(*sys.argv[1:3])
