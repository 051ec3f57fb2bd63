// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "measure_on_gpus.cuh"

namespace blink_perf {

template outcome measure_on_gpus<__half>(cuda_backend&, const job&);
template outcome measure_on_gpus<__nv_bfloat16>(cuda_backend&, const job&);

} // namespace blink_perf
