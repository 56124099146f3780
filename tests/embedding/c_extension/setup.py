import fastgrad
from setuptools import Extension, setup

setup(ext_modules=[Extension("extension", ["module.c"], include_dirs=[fastgrad.get_include()])])
