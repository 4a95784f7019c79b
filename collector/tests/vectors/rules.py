"""Writes rules.txt: random recurrence rules and what python-dateutil and zoneinfo make of them.

python3 collector/tests/vectors/rules.py > collector/tests/vectors/rules.txt
Each line: zone, start, rule, the first ten times as UTC, and three times from a later time on (with that time).
Left out is what dateutil reads otherwise than RFC 5545 says: BYDAY with and without a number in one rule, and BYSETPOS in a
weekly rule, where dateutil takes the first week to begin with the start.
"""
import itertools
import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Australia/Sydney", "America/Santiago",
         "America/St_Johns", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Chatham", "UTC"]
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
random.seed(82)


def some(values, most):
    return random.sample(list(values), random.randint(1, most))


def joined(name, values):
    return [name + "=" + ",".join(str(value) for value in values)]


def maybe(chance, parts):
    return parts if random.random() < chance else []


def rule():
    freq = random.choice(["DAILY", "WEEKLY", "MONTHLY", "MONTHLY", "YEARLY"])
    parts = ["FREQ=" + freq] + maybe(0.5, [f"INTERVAL={random.randint(2, 7)}"])
    parts += maybe(0.3, joined("BYMONTH", some(range(1, 13), 4)))
    days = some(DAYS, 4)
    chosen = random.choice(["none", "month day", "day", "nth", "year day", "week"])
    if chosen == "month day" and freq != "WEEKLY":
        parts += joined("BYMONTHDAY", some([*range(1, 29), -1, -2, -3, 31], 3))
    elif chosen == "day":
        parts += joined("BYDAY", days)
    elif chosen == "nth" and freq in ("MONTHLY", "YEARLY"):
        parts += joined("BYDAY", [str(random.choice([1, 2, 3, 4, -1, -2])) + day for day in days[:2]])
    elif chosen == "year day" and freq == "YEARLY":
        parts += joined("BYYEARDAY", some([1, 59, 60, 100, 200, 365, -1, -100], 3))
    elif chosen == "week" and freq == "YEARLY":
        parts = [part for part in parts if not part.startswith("BYMONTH=")]
        parts += joined("BYWEEKNO", some([1, 2, 10, 20, 40, 52, -2], 3)) + joined("BYDAY", days)
    parts += maybe(0.2, joined("BYHOUR", some(range(0, 5), 3))) + maybe(0.2, joined("BYMINUTE", some([0, 15, 30, 45], 2)))
    if freq != "WEEKLY" and any(part.startswith(("BYDAY", "BYMONTHDAY")) for part in parts):
        parts += maybe(0.3, joined("BYSETPOS", some([1, 2, -1, -2], 2)))
    parts += maybe(0.3, ["WKST=" + random.choice(DAYS)])
    parts += random.choice([[], [], [f"COUNT={random.randint(1, 30)}"], [f"UNTIL=20{random.randint(25, 29)}0630T120000"]])
    return ";".join(parts)


def utc(local, zone):
    # With fold=0 a time in a gap has the offset before it, and one that comes twice is the first.
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


seen = 0
while seen < 600:
    text, zone = rule(), random.choice(ZONES)
    start = datetime(2024, 1, 1) + timedelta(days=random.randint(0, 500), minutes=15 * random.randint(0, 19))
    times = rrulestr(text, dtstart=start)
    first = list(itertools.islice(times, 10))
    if not first or first[-1] > start + timedelta(days=365 * 55):
        continue
    later = start + timedelta(days=random.randint(0, 1500))
    rest = [time for time in itertools.islice(times.xafter(later, inc=True), 3)]
    rest = [time for time in rest if time < start + timedelta(days=365 * 55)]
    print("|".join([zone, start.isoformat(), text, " ".join(utc(time, zone) for time in first), later.isoformat(),
                    " ".join(utc(time, zone) for time in rest)]))
    seen += 1
