from Cython.Build import cythonize
from setuptools import Extension, setup

import fastgrad

setup(ext_modules=cythonize([Extension("layer", ["layer.pyx"], include_dirs=[fastgrad.get_include()])]))
