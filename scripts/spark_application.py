"""The command as a file of its own, which is what `spark-submit` takes."""

from user_conversion.__main__ import main

main()
