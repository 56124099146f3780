"""Print the formulas as C: ``python -m fastgrad.kernels.as_c DIRECTORY`` writes formulas_f32.h, formulas_f64.h and
activations.h, the list of activations.

In the subset of Python that ``formulas.py``, ``exponential.py`` and ``steps.py`` keep to, an expression is a C
expression once names, comparisons and constants are spelled for the instruction set: the printed text is included
once per instruction set and type (``include/fastgrad/kernels.h``).
"""

# Design: run by the build from the source tree, before NumPy or the package can be imported, so it loads the
#         two files by path and imports the standard library only.

import ast
import runpy
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
SOURCES = ("kernels/exponential.py", "formulas.py", "kernels/steps.py")
PRIMITIVES = {"fma", "mad", "fabs", "copysign", "minimum", "maximum", "where", "ldexp", "shift_exponent", "sqrt"}
COMPARISONS = {ast.Lt: "FG_LT", ast.Gt: "FG_GT", ast.LtE: "FG_LE"}
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class _Printer:
    """Expressions and statements of one function; ``constants`` are the names that stand for numbers."""

    def __init__(self, constants):
        self.constants = constants

    def expression(self, node):
        match node:
            case ast.Name(id=name) if name in self.constants:
                return f"FG_SET1({self.constants[name]!r})"
            case ast.Name(id=name):
                return name
            case ast.Call(func=ast.Name(id="fma" | "mad" as name), args=[ast.UnaryOp(op=ast.USub(), operand=a), b, c]):
                return f"FG_N{name.upper()}({', '.join(map(self.expression, (a, b, c)))})"
            case ast.UnaryOp(op=ast.USub(), operand=ast.Call(func=ast.Name(id="fabs"), args=[a])):
                return f"FG_NFABS({self.expression(a)})"
            case ast.Call(func=ast.Name(id=name), args=args):
                callee = f"FG_{name.upper()}" if name in PRIMITIVES else f"FG({name})"
                return f"{callee}({', '.join(map(self.expression, args))})"
            case ast.BinOp(left, op, right):
                return f"({self.expression(left)} {OPERATORS[type(op)]} {self.expression(right)})"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{self.expression(operand)})"
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return f"{COMPARISONS[type(op)]}({self.expression(left)}, {self.expression(right)})"
        raise SyntaxError(f"line {node.lineno}: {ast.unparse(node)} is not in the subset that can be printed as C")

    def statement(self, node):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                return f"    const FG_REAL {name} = {self.expression(value)};"
            case ast.Return(value=value):
                return f"    return {self.expression(value)};"
            case ast.Expr(value=ast.Constant(value=str())):
                return None  # the docstring
        raise SyntaxError(f"line {node.lineno}: {ast.unparse(node)} is not in the subset that can be printed as C")

    def function(self, node, name):
        head = f"FG_INLINE FG_REAL FG({name})({', '.join(f'FG_REAL {a.arg}' for a in node.args.args)})"
        body = [line for line in map(self.statement, node.body) if line]
        return head, "\n".join([head, "{", *body, "}"])


def header(dtype: str) -> str:
    """The text of formulas_<dtype>.h."""
    exponential = runpy.run_path(str(PACKAGE / "kernels" / "exponential.py"))
    constants = exponential["CONSTANTS"][dtype] | runpy.run_path(str(PACKAGE / "formulas.py"))["CONSTANTS"]
    printer = _Printer(constants)
    heads, bodies = [], []
    for file in SOURCES:
        for node in ast.parse((PACKAGE / file).read_text()).body:
            if isinstance(node, ast.FunctionDef):
                name, _, suffix = node.name.partition("_f")
                if suffix in ("32", "64") and f"f{suffix}" != dtype:
                    continue
                head, body = printer.function(node, name if suffix in ("32", "64") else node.name)
                heads.append(head + ";")
                bodies.append(body)
    intro = f"/* {dtype}: printed from {', '.join(SOURCES)} by kernels/as_c.py, not to be edited. */"
    return "\n".join([intro, *heads, "", "\n\n".join(bodies), ""])


def activations() -> str:
    """The text of activations.h: every activation in the order of ``VALUES``, which is that of its number."""
    formulas = runpy.run_path(str(PACKAGE / "formulas.py"))
    items = []
    for name in formulas["VALUES"]:
        arguments = "(z, parameter)" if name in formulas["PARAMETERS"] else "(z)"
        items.append(f"    X({name}, {name.upper()}, {arguments})")
    intro = "/* Every activation: name, NAME, arguments. Printed from formulas.py, not to be edited. */"
    guard = ["#ifndef FASTGRAD_ACTIVATIONS_H", "#define FASTGRAD_ACTIVATIONS_H"]
    return "\n".join([intro, *guard, " \\\n".join(["#define FG_EACH_ACTIVATION(X)", *items]), "#endif", ""])


def write(directory: Path) -> list[Path]:
    """Write the three headers; a file whose text is the same keeps its date."""
    texts = {f"formulas_{dtype}.h": header(dtype) for dtype in ("f32", "f64")} | {"activations.h": activations()}
    paths = []
    for name, text in texts.items():
        path = Path(directory) / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        paths.append(path)
    return paths


if __name__ == "__main__":
    import sys

    for written in write(Path(sys.argv[1])):
        print(written)
