"""The compiled part of the build; everything else is in pyproject.toml."""

import re
import runpy
import shutil
import sys
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

HERE = Path(__file__).resolve().parent
HEADERS = HERE / "fastgrad" / "include"
runpy.run_path(str(HERE / "fastgrad" / "kernels" / "as_c.py"))["write"](HEADERS / "fastgrad" / "set")
runpy.run_path(str(HERE / "fastgrad" / "kernels" / "as_stub.py"))["write"](HERE / "fastgrad")
VERSION = re.search(r'FASTGRAD_VERSION "(.+)"', (HEADERS / "fastgrad" / "abi.h").read_text())[1]
PKGCONFIG = HERE / "fastgrad" / "share" / "pkgconfig" / "fastgrad.pc"
_text = PKGCONFIG.with_suffix(".pc.in").read_text().replace("@VERSION@", VERSION)
if not PKGCONFIG.exists() or PKGCONFIG.read_text() != _text:  # others may read it meanwhile
    PKGCONFIG.write_text(_text)

# Design: no -march and no -ffast-math: the headers choose instruction sets per function and the kernels at
#         import; -ffast-math would set flush-to-zero for the whole process. The formulas say where they want a
#         fused multiply-add, so the compiler must not add its own (-ffp-contract=off).
GNU = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-fvisibility=hidden"]
FLAGS = ["/O2", "/fp:precise", "/std:c11"] if sys.platform == "win32" else GNU

INCLUDE = [str(HEADERS), "fastgrad/kernels", numpy.get_include()]
KERNELS = Path("fastgrad/kernels")
DEPENDS = [str(p) for p in [*HEADERS.glob("fastgrad/**/*.h"), *KERNELS.glob("*.h"), *KERNELS.glob("*.pxi")]]
LIBRARY = "fastgrad/kernels/library.c"
INSTALL = "Install gcc or clang; a wheel needs none."


# Design: the kernels are compiled once, to libfastgrad, which lies in the package for C programs and is linked into the
#         extension module.
class BuildWithLibrary(build_ext):
    def build_extensions(self):
        command = getattr(self.compiler, "compiler_so", None)  # Microsoft's has none, and says itself what is missing
        if command and not shutil.which(command[0]):
            sys.exit(f"fastgrad: no C compiler to build it with: {command[0]} is not there. {INSTALL}")
        module = Path(self.get_ext_fullpath(self.extensions[0].name))
        folder = Path(self.build_lib, "fastgrad", "lib")
        archive = Path(self.compiler.library_filename("fastgrad", output_dir=str(folder)))
        if self.force or newer_group(["setup.py", LIBRARY, *DEPENDS], str(archive)):
            folder.mkdir(parents=True, exist_ok=True)
            objects = self.compiler.compile([LIBRARY], self.build_temp, include_dirs=INCLUDE, extra_postargs=FLAGS)
            self.compiler.create_static_lib(objects, "fastgrad", output_dir=str(folder))
            module.unlink(missing_ok=True)  # so that it is linked again
        for built in self.extensions:
            built.extra_objects.append(str(archive))
        super().build_extensions()

    def copy_extensions_to_source(self):  # of a build in place
        super().copy_extensions_to_source()
        shutil.copytree(Path(self.build_lib, "fastgrad", "lib"), HERE / "fastgrad" / "lib", dirs_exist_ok=True)


def extension(name):
    return Extension(
        name,
        [f"{name.replace('.', '/')}.pyx"],
        include_dirs=INCLUDE,
        depends=DEPENDS,
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("FASTGRAD_LINKED", "1")],
        extra_compile_args=FLAGS,
    )


setup(
    version=VERSION,
    ext_modules=cythonize([extension("fastgrad.kernels.compiled")], compiler_directives={"language_level": 3}),
    cmdclass={"build_ext": BuildWithLibrary},
)
