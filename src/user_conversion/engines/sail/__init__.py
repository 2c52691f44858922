"""The distributed engine without Java: the code for Spark, on Sail."""
