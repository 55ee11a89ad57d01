"""The graph of cell phones in SQLite: python3 peer.py FOLDER [FILE.sqlite].

Two tables with covering indexes by subject and by object; each query is prepared once and
run on the products that the benchmark asks, the least of three times."""
import gzip
import os
import sqlite3
import sys
import tempfile
import time

folder = sys.argv[1]
file = sys.argv[2] if len(sys.argv) > 2 else os.path.join(tempfile.mkdtemp(), "graph.sqlite")
TYPES = ["brand", "category", "product", "related_product"]
RELATIONS = [
    ("also_bought_p_p", "related_product"),
    ("also_viewed_p_p", "related_product"),
    ("bought_together_p_p", "related_product"),
    ("brand_p_b", "brand"),
    ("category_p_c", "category"),
]


def lines(name):
    with gzip.open(f"{folder}/{name}.txt.gz", "rt", encoding="utf-8") as text:
        return text.read().split("\n")[:-1]


entities, first = [], {}
for name in TYPES:
    first[name] = len(entities)
    entities += [(name, key) for key in lines(name)]
db = sqlite3.connect(file)
db.execute("create table entity(id integer primary key, type text, key text)")
db.execute("create table fact(s int, r int, o int, primary key(s, r, o)) without rowid")
db.executemany("insert into entity values(?, ?, ?)", ((i, *it) for i, it in enumerate(entities)))
facts = sorted(
    (first["product"] + subject, relation, first[objects] + int(at))
    for relation, (name, objects) in enumerate(RELATIONS)
    for subject, line in enumerate(lines(name))
    for at in line.split()
)
db.executemany("insert into fact values(?, ?, ?)", facts)
db.execute("create unique index by_object on fact(o, r, s)")
db.execute("create unique index by_key on entity(type, key)")
db.commit()
db.execute("vacuum")
db.execute("analyze")
size = os.path.getsize(file) / 1e6
print(f"{len(entities)} entities, {len(facts)} facts, {size:.2f} MB, SQLite {sqlite3.sqlite_version}")


def mix(at):
    bits = (1 << 64) - 1
    x = (at + 0x9E3779B97F4A7C15) & bits
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & bits
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & bits
    return x >> 33


products = range(first["product"], first["related_product"])
products = sorted(products, key=lambda it: entities[it][1].encode())
asked = [products[mix(at) % len(products)] for at in range(4096)]


def measure(name, query, arguments):
    times, found = [], 0
    for product in asked:
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            rows = db.execute(query, arguments(product)).fetchall()
            best = min(best, time.perf_counter() - start)
            found += len(rows)
        times.append(best * 1e6)
    times.sort()
    of = [times[int(share * 4095)] for share in (0.5, 0.99, 1)]
    print(f"{name:52} " + " ".join(f"{it:9.2f}" for it in of) + f" {found:9}")


print(f"{'us':52} {'median':>9} {'p99':>9} {'most':>9} {'found':>9}")
measure("entity by key", "select id from entity where type = ? and key = ?", lambda it: entities[it])
measure("all facts of an entity", "select r, o from fact where s = ?", lambda it: (it,))
measure(
    "two hops: bought with what was bought with it",
    "select b.s, count(*) as ways from fact a join fact b on b.r = 0 and b.o = a.o "
    "where a.s = ? and a.r = 0 group by b.s order by ways desc, b.s limit 100",
    lambda it: (it,),
)
