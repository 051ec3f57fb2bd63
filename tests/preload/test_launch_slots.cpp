// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include "launch_slots.hpp"

namespace {

using blink::preload::launch_slots;

/// Calls of communicators, named by letters: whom each follows, a letter or `-`.
std::string followed(launch_slots<char>& slots, std::string& names, const std::string& calls) {
    std::string all;
    for (const char c : calls) {
        all += '-';
        slots.enter(&names[static_cast<std::size_t>(c - 'A')], [&](const char& other) { all.back() = other; });
    }
    return all;
}

} // namespace

TEST_CASE("two communicators never wait for each other, a third takes the place of the one that called longest ago") {
    launch_slots<char> slots;
    std::string names = "ABCD";
    CHECK(followed(slots, names, "AABABBAB") == "--------");
    CHECK(followed(slots, names, "C") == "A");
    CHECK(followed(slots, names, "BCB") == "---");
    CHECK(followed(slots, names, "ABC") == "C-A");
    CHECK(followed(slots, names, "DADA") == "BC--");
}

TEST_CASE("nobody follows a communicator that has left") {
    launch_slots<char> slots;
    std::string names = "ABC";
    CHECK(followed(slots, names, "AB") == "--");
    slots.leave(&names[0]);
    CHECK(followed(slots, names, "CB") == "--");
    CHECK(followed(slots, names, "A") == "C");
}

TEST_CASE("whatever the order, calls of three communicators are never under way at once") {
    std::mt19937 random(5);
    for (int round = 0; round < 200; ++round) {
        launch_slots<char> slots;
        std::string names = "ABCDE";
        // For each call what it follows: the communicator's last one, and the last one of whom it has to follow.
        std::vector<std::vector<std::size_t>> before;
        std::array<int, 5> last;
        last.fill(-1);
        for (std::size_t i = 0; i < 40; ++i) {
            const std::size_t own = random() % names.size();
            std::vector<std::size_t> follows;
            if (last[own] >= 0) { follows.push_back(static_cast<std::size_t>(last[own])); }
            slots.enter(&names[own], [&](const char& other) {
                follows.push_back(static_cast<std::size_t>(last[static_cast<std::size_t>(other - 'A')]));
            });
            before.push_back(follows);
            last[own] = static_cast<int>(i);
        }
        // Calls start in any order that this allows, and end in any.
        std::vector<char> started(before.size(), 0), ended(before.size(), 0);
        std::size_t left = before.size();
        while (left > 0) {
            std::vector<std::size_t> ready, running;
            for (std::size_t i = 0; i < before.size(); ++i) {
                const bool may = std::ranges::all_of(before[i], [&](std::size_t b) { return ended[b] != 0; });
                if (started[i] == 0 && may) { ready.push_back(i); }
                if (started[i] != 0 && ended[i] == 0) { running.push_back(i); }
            }
            REQUIRE(running.size() <= 2);
            REQUIRE(!(ready.empty() && running.empty()));
            if (!ready.empty() && (running.empty() || random() % 2 == 0)) {
                started[ready[random() % ready.size()]] = 1;
            } else {
                ended[running[random() % running.size()]] = 1;
                --left;
            }
        }
    }
}
