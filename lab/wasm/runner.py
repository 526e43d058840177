"""Runs a WebAssembly module in wasmtime: `cargo` calls it with the module and its arguments.

With a WASI module, the repository is its only folder, under the same name as here and read-only.
"""
import os
import sys
from pathlib import Path

from wasmtime import Config, Engine, ExitTrap, Linker, Module, Store, WasiConfig

root = str(Path(__file__).resolve().parents[2])
path, arguments = sys.argv[1], sys.argv[2:]

config = Config()
config.cache = True
engine = Engine(config)
module = Module.from_file(engine, path)
store, linker = Store(engine), Linker(engine)
names = [export.name for export in module.exports]
wasi = WasiConfig()
wasi.argv = [path, *arguments]
wasi.env = [(name, os.environ[name]) for name in ("VECTORS", "NEXT_VECTORS") if name in os.environ]
wasi.inherit_stdout()
wasi.inherit_stderr()
wasi.preopen_dir(root, root, False)
store.set_wasi(wasi)
linker.define_wasi()
exports = linker.instantiate(store, module).exports(store)
try:
    if "_start" in names:
        exports["_start"](store)
    else:
        exports["main"](store, 0, 0)
except ExitTrap as exit:
    sys.exit(exit.code)
