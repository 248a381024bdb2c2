//! Where reports go: standard output, and the files of `-o`.
