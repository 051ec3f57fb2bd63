// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// `blink-perf --tune FILE`.
#pragma once

#include "options.hpp"

namespace blink_perf {

/// Measures collectives on the GPUs that `o` names, prints each point, and writes what the machine should use to
/// `o.tune`.
/// @throw blink::usage_error in a build without CUDA, without a GPU, or for a file that cannot be written
void tune_gpus(const options& o);

} // namespace blink_perf
