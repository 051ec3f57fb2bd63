// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "agreement.hpp"

#include <blink/communicator/rendezvous.hpp>
#include <blink/core/error.hpp>
#include <blink/version.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string_view>
#include <vector>

namespace blink::preload {

namespace {

/// 64 bits of a text, by Fowler, Noll and Vo (FNV-1a).
std::uint64_t digest(std::string_view bytes, std::uint64_t seed) {
    for (const char c : bytes) { seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3; }
    return seed;
}

std::string in_hexadecimal(std::uint64_t number) {
    std::string text;
    for (int shift = 60; shift >= 0; shift -= 4) { text += "0123456789abcdef"[(number >> shift) & 15]; }
    return text;
}

/// What has to be the same on all ranks, so that each call goes the same way on all of them.
std::string settings_text(const settings& s) {
    std::string text = "Blink " + std::string(version) + ", BLINK_DISABLE";
    for (std::size_t k = 0; k < s.disabled.size(); ++k) {
        if (s.disabled[k]) { text += " " + std::string(collective_names[k]); }
    }
    return text;
}

} // namespace

std::string rendezvous_address(const nccl::unique_id& id, const settings& chosen) {
    const std::string_view bytes(id.internal, sizeof id.internal);
    const std::uint64_t first = digest(bytes, 0xcbf29ce484222325);
    return "file:" + chosen.rendezvous_folder + "/blink-" + in_hexadecimal(first) +
           in_hexadecimal(digest(bytes, first));
}

std::unique_ptr<executor> agree(const process_place& at, const settings& chosen, process_executor_maker make) {
    const auto met = rendezvous(at.address + ".agreement", chosen.rendezvous_timeout).meet(at.rank, at.ranks);
    const std::vector<std::string> all = met->exchange(settings_text(chosen));
    for (std::size_t r = 0; r < all.size(); ++r) {
        if (all[r] != all[0]) {
            throw usage_error("rank 0 has [" + all[0] + "], rank " + std::to_string(r) + " has [" + all[r] + "]");
        }
    }
    std::unique_ptr<executor> made;
    std::string why_not;
    try {
        made = make(at, chosen);
    } catch (const std::exception& e) { why_not = *e.what() == '\0' ? "unknown reason" : e.what(); }
    // Whoever has made its own still hears of those that have not.
    try {
        const std::vector<std::string> reasons = met->exchange(why_not);
        for (std::size_t r = 0; r < reasons.size(); ++r) {
            if (!reasons[r].empty()) { throw usage_error("rank " + std::to_string(r) + ": " + reasons[r]); }
        }
    } catch (const error&) {
        if (made != nullptr) { made->abort(); } // its end waits for no other rank then
        throw;
    }
    return made;
}

} // namespace blink::preload
