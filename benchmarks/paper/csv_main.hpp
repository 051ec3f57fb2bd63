// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// What `main` is in all benchmarks that write one CSV file.
#pragma once

#include <blink/core/error.hpp>

#include <cstddef>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>

namespace blink_paper {

struct csv_benchmark {
    const char* header;          ///< the first line of the file
    std::size_t default_mib = 0; ///< of the largest message, which the command line may give; 0: it may not
};

/// `FILE.csv [MIB OF THE LARGEST MESSAGE]`: opens the file, writes the header, then runs `work(csv, largest)`,
/// `largest` in bytes. Returns the exit status: 2 for another command line, 1 with a message for an exception or a file
/// that cannot be written, 77 (skipped) where `ready()` is false.
template <class Work, class Ready>
[[nodiscard]] int csv_main(int argc, char** argv, const csv_benchmark& of, const Work& work, const Ready& ready) {
    const bool sized = of.default_mib > 0;
    if (argc < 2 || argc > (sized ? 3 : 2)) {
        std::cerr << "usage: " << argv[0] << " FILE.csv";
        if (sized) { std::cerr << " [MIB OF THE LARGEST MESSAGE, default " << of.default_mib << ']'; }
        std::cerr << '\n';
        return 2;
    }
    if (!ready()) { return 77; }
    try {
        const std::size_t mib = argc == 3 ? std::stoul(argv[2]) : of.default_mib;
        if (sized && mib == 0) { throw blink::usage_error("the largest message has 1 MiB or more"); }
        std::ofstream csv(argv[1]);
        csv << of.header << '\n';
        work(csv, mib << 20);
        csv.close();
        if (!csv) { throw blink::error(std::string(argv[1]) + ": cannot be written"); }
    } catch (const std::exception& e) {
        std::cerr << argv[0] << ": " << e.what() << '\n';
        return 1;
    }
    return 0;
}

/// As above, always ready.
template <class Work>
[[nodiscard]] int csv_main(int argc, char** argv, const csv_benchmark& of, const Work& work) {
    return csv_main(argc, argv, of, work, [] { return true; });
}

} // namespace blink_paper
