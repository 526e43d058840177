"""Runs reader.py against every row of the vectors, or of the files that VECTORS and NEXT_VECTORS name."""
import json, os, pathlib

import reader
import test_device

path = os.environ.get("VECTORS", pathlib.Path(__file__).parent / "../tests/data/v1.json")
rows = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["vectors"]
assert rows, "no rows"
for row in rows:
    ring, limits = {}, row["limits"]
    for key in row["ring"]:
        reader.add_secret(ring, bytes.fromhex(key.split("_")[2]))
    remembered = limits["remembered_absolute"] and (limits["remembered_idle"], limits["remembered_absolute"])
    try:
        session = reader.open_session(
            ring, row["token"], row["seen"], row["name"], row["audience"], bytes.fromhex(row["bind"]), row["now"],
            (limits["idle"], limits["absolute"]), remembered, row["cut_off"], row["revoked"],
        )
        outcome = "ok"
        assert session.data == json.loads(bytes.fromhex(row["payload"])), row["id"]
    except ValueError as reason:
        outcome = str(reason)
    assert outcome == row["expect"], (row["id"], row["comment"], outcome, row["expect"])
print(f"vectors: {len(rows)} rows opened or rejected by reader.py ({sum(r['expect'] == 'ok' for r in rows)} open)")
test_device.run()
