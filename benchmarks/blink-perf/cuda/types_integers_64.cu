// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "measure_on_gpus.cuh"

namespace blink_perf {

template outcome measure_on_gpus<std::int64_t>(cuda_backend&, const job&);
template outcome measure_on_gpus<std::uint64_t>(cuda_backend&, const job&);

} // namespace blink_perf
