from setuptools import Extension, setup

import fastgrad

setup(ext_modules=[Extension("extension", ["module.c"], include_dirs=[fastgrad.get_include()])])
