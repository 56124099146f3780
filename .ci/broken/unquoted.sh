# A fault for .ci/lint to find: a folder with a space in its name.
rm -rf $1/build
