// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "agreement.hpp"

#include <blink/communicator/rendezvous.hpp>
#include <blink/core/error.hpp>
#include <blink/topology/probe/visible_devices.hpp>
#include <blink/version.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <vector>

#include "derived_ids.hpp"

namespace blink::preload {

namespace {

/// What has to be the same on all ranks, so that each call goes the same way on all of them.
std::string settings_text(const settings& s) {
    std::string text = "Blink " + std::string(version);
    if (!s.topology_file.empty()) { text += ", BLINK_TOPO_FILE " + s.topology_file; }
    text += ", BLINK_DISABLE";
    for (std::size_t k = 0; k < s.disabled.size(); ++k) {
        if (s.disabled[k]) { text += " " + std::string(call_names[k]); }
    }
    for (std::size_t k = 0; k < s.sizes.size(); ++k) {
        if (s.sizes[k] == size_choice{}) { continue; }
        text += ", NCCL for " + std::string(call_names[k]) + " up to " + std::to_string(s.sizes[k].up_to) +
                " bytes and from " + std::to_string(s.sizes[k].from);
    }
    return text;
}

/// The number among all GPUs of one that this process knows as `device`; -1 where CUDA_VISIBLE_DEVICES has no numbers.
int number_of(int device) {
    const std::vector<std::string> unnamed(1024); // more GPUs than a machine has
    const std::vector<int> visible = visible_devices(std::getenv("CUDA_VISIBLE_DEVICES"), unnamed);
    return device >= 0 && device < static_cast<int>(visible.size()) ? visible[static_cast<std::size_t>(device)] : -1;
}

/// The numbers of the GPUs of all ranks; nothing where one is not known or two are the same.
std::vector<int> numbers_of_all(meeting& met, int device) {
    std::vector<int> gpus;
    for (const std::string& text : met.exchange(std::to_string(number_of(device)))) {
        const int gpu = text.empty() ? -1 : std::atoi(text.c_str());
        if (gpu < 0 || std::ranges::find(gpus, gpu) != gpus.end()) { return {}; }
        gpus.push_back(gpu);
    }
    return gpus;
}

} // namespace

std::string rendezvous_address(const nccl::unique_id& id, const settings& chosen) {
    return "file:" + chosen.rendezvous_folder + "/blink-" + digest_of({id.internal, sizeof id.internal});
}

std::unique_ptr<executor> agree(const process_place& at, const settings& chosen, process_executor_maker make) {
    const auto met = rendezvous(at.address + ".agreement", chosen.rendezvous_timeout).meet(at.rank, at.ranks);
    const std::vector<std::string> all = met->exchange(settings_text(chosen));
    for (std::size_t r = 0; r < all.size(); ++r) {
        if (all[r] != all[0]) {
            throw usage_error("rank 0 has [" + all[0] + "], rank " + std::to_string(r) + " has [" + all[r] + "]");
        }
    }
    process_place here = at;
    if (!chosen.topology_file.empty()) { here.gpus = numbers_of_all(*met, at.device); }
    std::unique_ptr<executor> made;
    std::string why_not;
    try {
        made = make(here, chosen);
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
