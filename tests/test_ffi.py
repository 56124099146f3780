"""The table of C functions: its promise, its entry points (ctypes, cffi, SciPy, capsule), and who may call it when."""

# Design: tests/abi holds the table's layout as each version had it. What stands there may
#         never change, only be added to; `python tests/test_ffi.py` writes the file of the present version.

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import numpy as np
import pytest

import fastgrad
from fastgrad import ffi, formulas, kernels

HERE = Path(__file__).parent
INCLUDE = Path(ffi.get_include()) / "fastgrad"
TYPES = {"f32": np.float32, "f64": np.float64}


def layout() -> list[str]:
    """A line per promise: fields with offset and type, numbers of activations and errors."""
    table = type(ffi.table())
    lines = [f"abi {ffi.table().abi}"]
    lines += [" ".join(enum.split()) for enum in re.findall(r"enum \w+ \{[^}]*\};", ffi.declarations())]
    fields = ffi.declarations().split("typedef struct fastgrad_table {")[1].split("} fastgrad_table;")[0].strip()
    for (name, _), declared in zip(table._fields_, fields.rstrip(";").split(";"), strict=True):
        assert name in declared
        lines.append(f"field {getattr(table, name).offset} {' '.join(declared.split())}")
    return lines


def of_version(path):
    return {line for line in path.read_text().splitlines() if line}


@pytest.mark.parametrize("path", sorted((HERE / "abi").glob("*.txt")), ids=lambda p: p.stem)
def test_what_was_promised_is_kept(path):
    now = set(layout())
    for line in of_version(path):
        if line.startswith("enum"):  # may have grown
            assert any(new.startswith(line.removesuffix(" };")) for new in now), f"gone or changed: {line}"
        else:
            assert line in now, f"gone or changed: {line}"


def test_what_is_promised_is_written_down():
    written = HERE / "abi" / f"{fastgrad.__version__}.txt"
    assert of_version(written) == set(layout()), "run `python tests/test_ffi.py` if you only added to it"


def test_the_compiler_sees_the_layout_that_ctypes_sees(tmp_path):
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    table = type(ffi.table())
    checks = "".join(
        f"typedef char at_{name}[offsetof(fastgrad_table, {name}) == {getattr(table, name).offset} ? 1 : -1];\n"
        for name, _ in table._fields_
    )
    size = f"typedef char whole[sizeof(fastgrad_table) == {ctypes.sizeof(table)} ? 1 : -1];\n"
    source = tmp_path / "layout.c"
    source.write_text(f"#include <fastgrad/abi.h>\n{checks}{size}")
    subprocess.run(["gcc", "-fsyntax-only", f"-I{ffi.get_include()}", str(source)], check=True)
    assert ffi.table().size == ctypes.sizeof(table)


def test_cython_declares_what_the_header_declares():
    pxd = (Path(fastgrad.__file__).parent / "cykernels.pxd").read_text()
    struct = pxd.split("ctypedef struct fastgrad_table:")[1].split("const fastgrad_table *fastgrad_import")[0]
    fields = ffi.declarations().split("typedef struct fastgrad_table {")[1].split("} fastgrad_table;")[0]
    assert struct.replace("noexcept nogil", "").split() == fields.replace(";", "").split()
    numbers = {
        name
        for enum in re.findall(r"enum \w+ \{([^}]*)\};", ffi.declarations())
        for name in re.findall(r"FASTGRAD_\w+", enum)
    }
    printed = (Path(fastgrad.__file__).parent / "activations.pxi").read_text()
    assert set(re.findall(r"^ +(FASTGRAD_\w+)$", pxd + printed, re.MULTILINE)) == numbers


def test_versions_agree():
    assert ffi.table().version.decode() == fastgrad.__version__
    assert f"Version: {fastgrad.__version__}\n" in (Path(ffi.get_pkgconfig_dir()) / "fastgrad.pc").read_text()
    assert ffi.table().cpu.decode() == kernels.get("compiled").CPU


def test_build_systems_get_the_same_flags():
    assert " ".join(ffi.CFLAGS) in (Path(ffi.get_pkgconfig_dir()) / "fastgrad.pc").read_text()
    assert ";".join(ffi.CFLAGS) in (Path(ffi.get_cmake_dir()) / "fastgrad-config.cmake").read_text()
    setup = (HERE.parent / "setup.py").read_text()
    assert all(f'"{flag}"' in setup for flag in ffi.CFLAGS)


CASES = [(name, 0.3 if name in formulas.PARAMETERS else None) for name in fastgrad.ACTIVATIONS]


def expected(kind, name, z, parameter):
    options = {} if parameter is None else {formulas.PARAMETERS[name][0]: parameter}
    return getattr(fastgrad.activation(name, **options), kind)(z)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_ctypes_gives_the_bits_of_the_api(name, parameter, dtype):
    table, number = ffi.table(), ffi.ACTIVATION_NUMBERS[name]
    z = np.random.default_rng(0).uniform(-20, 20, 1234).astype(TYPES[dtype])
    dy = np.random.default_rng(1).standard_normal(z.size).astype(z.dtype)
    y, d, dz, y2, d2 = (np.empty_like(z) for _ in range(5))
    at = [a.ctypes.data for a in (z, y, d, dz, y2, d2, dy)]
    p = parameter or 0.0
    assert table.value(number, z.itemsize, z.size, at[0], p, at[1]) == 0
    assert table.derivative(number, z.itemsize, z.size, at[0], p, at[2]) == 0
    assert table.backward(number, z.itemsize, z.size, at[0], p, at[6], at[3]) == 0
    assert table.value_and_derivative(number, z.itemsize, z.size, at[0], p, at[4], at[5]) == 0
    true_y, true_d = expected("value_and_derivative", name, z, parameter)
    for got, true in ((y, true_y), (d, true_d), (y2, true_y), (d2, true_d), (dz, dy * true_d)):
        np.testing.assert_array_equal(got, true)
    assert table.backward(number, z.itemsize, z.size, at[0], p, at[6], at[0]) == 0  # over its input
    np.testing.assert_array_equal(z, dy * true_d)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("number", [-1, len(fastgrad.ACTIVATIONS), 2**31 - 1])
def test_an_unknown_activation_is_an_error_and_writes_nothing(number, dtype):
    x = np.full(3, 7.0, TYPES[dtype])
    for name, outputs in (("value", 1), ("derivative", 1), ("value_and_derivative", 2)):
        call = getattr(ffi.table(), name)
        assert call(number, x.itemsize, 3, x.ctypes.data, 0.0, *[x.ctypes.data] * outputs) == -1
    at = x.ctypes.data
    assert ffi.table().backward(number, x.itemsize, 3, at, 0.0, at, at) == -1
    assert (x == 7).all()
    choice = (ctypes.c_int * 4)(number)
    assert np.isnan(ffi.table().scalar(1.0, ctypes.addressof(choice)))


def test_nothing_is_done_for_no_elements():
    assert ffi.table().value(0, 8, 0, None, 0.0, None) == 0


@pytest.mark.parametrize("item", [0, 2, 5, 16])
def test_numbers_of_another_size_are_refused(item):
    table = ffi.table()
    for name, arguments in (("value", 4), ("derivative", 4), ("value_and_derivative", 5), ("backward", 5)):
        assert getattr(table, name)(0, item, 3, None, 0.0, *[None] * (arguments - 3)) == -2
    assert table.draw(0, item, None, 0, 0, 1.0, 3, None) == -2
    assert table.network_room(item, 2, None, 3) == 0
    assert table.network_gradients(0, item, 0.0, 0, 2, None, 3, *[None] * 8) == -2
    assert table.network_profile(0, item, 0.0, 0, 2, None, 3, *[None] * 8) == -2
    assert table.dense_room(item, 3, 3, 3) == 0
    assert table.dense_forward(0, item, 0.0, 3, 3, 3, *[None] * 8) == -2
    assert table.dense_backward(item, 3, 3, 3, *[None] * 10) == -2


def test_cffi_reads_the_declarations():
    cffi = pytest.importorskip("cffi")
    c = cffi.FFI()
    c.cdef(ffi.declarations())
    table = c.cast("const fastgrad_table *", ffi.table_address())
    assert c.sizeof("fastgrad_table") == table.size == ffi.table().size
    assert c.string(table.version).decode() == fastgrad.__version__
    numbers = c.typeof("enum fastgrad_activation").relements
    assert {f"FASTGRAD_{name.upper()}": number for name, number in ffi.ACTIVATION_NUMBERS.items()} == numbers


@pytest.mark.parametrize("kind", ["value", "derivative"])
@pytest.mark.parametrize(("name", "parameter"), CASES)
def test_scipy_calls_it(name, parameter, kind):
    import gc

    from scipy.integrate import quad

    options = {} if parameter is None else {formulas.PARAMETERS[name][0]: parameter}
    function = ffi.low_level_callable(name, kind, **options)
    gc.collect()  # the parameter lives as long as the callable

    def in_python(z):
        phi = fastgrad.activation(name, **options)
        return float(phi.derivative(z) if kind == "derivative" else phi(z))

    assert quad(function, -3, 2, points=[0]) == quad(in_python, -3, 2, points=[0])


def test_eight_threads_at_once():
    table, n = ffi.table(), 100_003
    z = np.random.default_rng(0).uniform(-20, 20, (8, n))
    results = np.empty((8, len(fastgrad.ACTIVATIONS), n))
    start = threading.Barrier(8)

    def work(i):
        start.wait()
        for number in range(len(fastgrad.ACTIVATIONS)):
            table.value(number, 8, n, z[i].ctypes.data, 1.0, results[i, number].ctypes.data)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, name in enumerate(fastgrad.ACTIVATIONS):
        parameter = 1.0 if name in formulas.PARAMETERS else None
        np.testing.assert_array_equal(results[:, number], expected("__call__", name, z, parameter))


def test_fork_after_use():
    code = """
import os, numpy as np, fastgrad
from fastgrad import ffi
z = np.linspace(-5, 5, 100_000)
def total():
    y = np.empty_like(z)
    ffi.table().value(1, 8, z.size, z.ctypes.data, 0.0, y.ctypes.data)
    return float(y.sum()), float(fastgrad.tanh(z).sum())
before = total()
child = os.fork()
if child == 0:
    os._exit(0 if total() == before else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 and total() == before
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


ORDERS = ["fastgrad, numba", "numba, fastgrad", "fastgrad.ffi", "fastgrad.ffi, numba"]


@pytest.mark.parametrize("order", ORDERS)
def test_import_order(order):
    code = f"import {order}\nimport fastgrad, numba\n"
    code += "assert numba.njit(lambda x: fastgrad.tanh(x))(0.5) == fastgrad.tanh(0.5)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_extension_module_exports_one_symbol():
    if sys.platform != "linux" or not shutil.which("nm"):
        pytest.skip("needs nm")
    path = Path(fastgrad.__file__).parent / f"kernels/compiled{sysconfig.get_config_var('EXT_SUFFIX')}"
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", str(path)], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[-1] for line in listed.splitlines()] == [f"PyInit_{path.name.split('.')[0]}"]


def importing(tmp_path, abi, *flags):
    """What importing tests/embedding/c_extension says when it was built with this text as abi.h."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    (tmp_path / "fastgrad").mkdir()
    (tmp_path / "fastgrad" / "abi.h").write_text(abi)
    shutil.copy(INCLUDE / "capsule.h", tmp_path / "fastgrad")
    source = HERE / "embedding" / "c_extension" / "module.c"
    includes = [f"-I{tmp_path}", f"-I{sysconfig.get_path('include')}"]
    target = tmp_path / f"extension{sysconfig.get_config_var('EXT_SUFFIX')}"
    build = [
        "gcc",
        "-shared",
        "-fPIC",
        "-Wall",
        "-Wextra",
        "-Werror",
        *includes,
        *flags,
        str(source),
        "-o",
        str(target),
    ]
    subprocess.run(build, check=True)
    code = "import numpy as np, extension, fastgrad; z = np.linspace(-9, 9, 77); y = z.copy()\n"
    code += "extension.activate(1, z, y); assert (y == fastgrad.tanh(z)).all(); print('works')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[-1]


ABI = (INCLUDE / "abi.h").read_text()
LAST = ABI[ABI.index("    int (*draw)") : ABI.index("} fastgrad_table;")]
NEWER = ABI.replace("} fastgrad_table;", "    int (*of_tomorrow)(int);\n} fastgrad_table;").replace(
    f'"{fastgrad.__version__}"', '"9.9.9"'
)


@pytest.mark.parametrize(
    ("abi", "flags", "says"),
    [
        (ABI, [], "works"),
        (ABI.replace(LAST, ""), [], "works"),  # built with an older header
        (
            NEWER,
            [],
            "ImportError: this module was built with fastgrad 9.9.9 and needs functions that",
        ),
        (NEWER, ["-DFASTGRAD_NEEDED=FASTGRAD_UP_TO(value)"], "works"),
        (
            ABI.replace("#define FASTGRAD_ABI 1", "#define FASTGRAD_ABI 2"),
            [],
            f"ImportError: this module was built for ABI 2 of fastgrad, but fastgrad {fastgrad.__version__} has ABI 1",
        ),
    ],
    ids=["same", "older", "newer", "newer that needs little", "other ABI"],
)
def test_consumers_of_other_versions(abi, flags, says, tmp_path):
    assert (abi == ABI) == (says == "works" and not flags and LAST in abi)  # the header was changed as meant
    assert importing(tmp_path, abi, *flags).startswith(says)


def test_a_fastgrad_without_a_table_is_refused_clearly(tmp_path):
    assert importing(tmp_path, ABI) == "works"
    (tmp_path / "fastgrad" / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", "import extension"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip().splitlines()[-1].startswith("ImportError: the fastgrad that is installed has no table")


@pytest.mark.parametrize("command", ["--cflags", "--libs", "--include-dir", "--cmake-dir", "--pkgconfig-dir"])
def test_config_answers_without_the_extra_cli(command):
    block = "import sys; sys.modules['click'] = None; sys.argv = ['fastgrad', 'config', sys.argv[1]]; "
    code = f"{block}from fastgrad.__main__ import main; main()"
    printed = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=True).stdout
    answer = printed.strip()
    assert Path(answer).is_dir() if command.endswith("-dir") else answer


def test_declarations_keep_to_what_the_small_parser_reads():
    with pytest.raises(KeyError):
        ffi._ctype("struct mystery")
    assert ffi._ctype("const  double *") is ctypes.c_void_p
    assert ffi._ctype("const char *") is ctypes.c_char_p


if __name__ == "__main__":
    target = HERE / "abi" / f"{fastgrad.__version__}.txt"
    target.write_text("\n".join(layout()) + "\n")
    print(target, os.linesep, target.read_text())


def test_a_callable_for_scipy_makes_no_class_of_its_own():
    """A class of ctypes is never freed: 6 kB a call."""
    import ctypes
    import gc

    ffi.low_level_callable("tanh")
    gc.collect()
    before = len(ctypes.Structure.__subclasses__())
    for _ in range(5):
        ffi.low_level_callable("elu", "derivative", alpha=0.5)
    assert len(ctypes.Structure.__subclasses__()) == before
