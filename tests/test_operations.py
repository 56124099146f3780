"""The study of the compiled loops: what it counts in a disassembly, and that these are the formulas' operations."""

import shutil

import pytest

from benchmarks.studies import operations
from fastgrad import ACTIVATIONS
from fastgrad.bench import arithmetic
from fastgrad.kernels import compiled

# A loop of two vectors within a larger one, which stores more; jumps forward and into another function are none.
TEXT = """
/somewhere/compiled.so:     file format elf64-x86-64

0000000000001000 <fg_elu_both_f32_avx2>:
    1000:\tpush   rbp
    1004:\tje     1040 <fg_elu_both_f32_avx2+0x40>
    1008:\tvmovups YMMWORD PTR [rdi+rax*4],ymm9
    100c:\tvmovups YMMWORD PTR [rdi+rax*4+0x20],ymm9
    1010:\tvmovups ymm0,YMMWORD PTR [rdi+rax*4]
    1014:\tvmulps ymm1,ymm0,YMMWORD PTR [rip+0x10]        # 5000 <constant>
    1018:\tvfmadd231ps ymm1,ymm0,ymm3
    101c:\tvmovaps YMMWORD PTR [rsp+0x20],ymm1
    1020:\tvblendvps ymm1,ymm0,ymm1,ymm2
    1024:\tvmovups YMMWORD PTR [rsi+rax*4],ymm1
    1028:\tvmovups YMMWORD PTR [rdx+rax*4],ymm1
    102c:\tadd    rax,0x8
    1030:\tjne    1010 <fg_elu_both_f32_avx2+0x10>
    1034:\tvdivps ymm0,ymm0,ymm1
    1038:\tjmp    1008 <fg_elu_both_f32_avx2+0x8>
    1040:\tret

0000000000002000 <other>:
    2000:\tjmp    1010 <fg_elu_both_f32_avx2+0x10>
"""


def test_the_loop_is_the_innermost_that_stores_most():
    code = operations.functions(TEXT)
    assert list(code) == ["fg_elu_both_f32_avx2", "other"]
    counted = operations.per_vector("elu both", "avx2", code)
    assert counted == {
        "fma": 1, "mul": 1, "add": 0, "div": 0, "scale": 0, "select": 1, "load": 2, "store": 3, "spill": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "cycles", "by"),
    [
        ({"fma": 12, "mul": 4}, 8, "multiply"),
        ({"fma": 4, "mul": 4, "select": 12}, 5, "all pipes"),
        ({"fma": 2, "div": 1}, 5, "division"),
        ({"select": 4, "load": 3}, 1.5, "load"),
        ({"select": 4, "store": 2}, 2, "store"),
    ],
)
def test_what_binds(changes, cycles, by):
    counted = dict.fromkeys((*operations.ARITHMETIC, *operations.MEMORY), 0) | changes
    assert operations.bound(counted, "avx2") == (cycles, by)
    assert operations.bound(counted, "avx512") == (2 * cycles, by)


needs_objdump = pytest.mark.skipif(not shutil.which("objdump"), reason="objdump is not installed")


@needs_objdump
@pytest.mark.parametrize("cpu", [cpu for cpu in operations.WIDTHS if cpu in compiled.SETS])
def test_the_compiled_loops_do_the_formulas_operations(cpu):
    """AVX-512 scales by a power of two in one instruction, the others in one product or two for each result."""
    code = operations.disassembled()
    for name in ACTIVATIONS:
        for kind, in_c in operations.KINDS.items():
            found = operations.per_vector(f"{name} {in_c}", cpu, code)
            compiled_ones = 2 * found["fma"] + found["mul"] + found["add"] + found["div"]
            more = compiled_ones - arithmetic.operations(kind, name)
            assert more == 0 if cpu == "avx512" else 0 <= more <= 4, (name, kind)
            assert found["load"] >= 1


@needs_objdump
def test_a_line_of_the_table():
    cpu = next((cpu for cpu in operations.WIDTHS if cpu in compiled.SETS), None)
    if cpu is None:
        pytest.skip("no kernels of AVX2")
    line = operations.row("value", "tanh", cpu, operations.disassembled())
    assert len(line) == len(operations.COLUMNS)
    assert line[:2] == ("tanh value", cpu)
    assert float(line[-2]) > 0
