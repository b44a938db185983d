# Runs a program on the first 20 bytes of its input, or as many as MORTAL says, each as it comes, and ends with 7.
dd bs=1 count="${MORTAL:-20}" 2>/dev/null | "$@"
exit 7
