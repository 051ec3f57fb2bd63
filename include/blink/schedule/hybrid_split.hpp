// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// How much of a call goes over a second, slower set of links, such as PCIe beside NVLink, so that both end together.
///
/// The formula of the Blink paper (Wang et al., MLSys 2020) for hybrid transfers. There the slower set costs the time
/// to switch peer access off; here whatever it takes longer to begin.
#pragma once

#include <blink/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

namespace blink {

/// What two sets of links carry of one collective, each by a plan of its own.
struct hybrid_rates {
    double fast_GBps = 0;
    double slow_GBps = 0;
    double extra_s = 0; ///< by which the slower set begins later; below 0 where it begins sooner
};

/// The share of `bytes` that the slower set takes, from 0 to 1, such that
/// `extra_s + share * bytes / slow = (1 - share) * bytes / fast`. 0 where that is no gain: up to `extra_s * fast`
/// bytes.
/// @throw usage_error for rates that are not above 0 or a time that is not finite
[[nodiscard]] inline double hybrid_share(std::size_t bytes, const hybrid_rates& r) {
    const bool rates = r.fast_GBps > 0 && r.slow_GBps > 0 && std::isfinite(r.fast_GBps) && std::isfinite(r.slow_GBps);
    if (!rates || !std::isfinite(r.extra_s)) {
        throw usage_error("hybrid_share: " + std::to_string(r.fast_GBps) + " and " + std::to_string(r.slow_GBps) +
                          " GB/s, " + std::to_string(r.extra_s) +
                          " s later: expected rates above 0 and finite numbers");
    }
    if (bytes == 0) { return 0; }
    const double late = r.extra_s * 1e9 * r.fast_GBps / static_cast<double>(bytes); // as a share of the data
    return std::clamp((1 - late) * r.slow_GBps / (r.fast_GBps + r.slow_GBps), 0.0, 1.0);
}

} // namespace blink
