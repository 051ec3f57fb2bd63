// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Linking this program is the test: a function that is not inline stands in both libraries.
int main() {}
