// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// NCCL's entry points as a program sees them that is linked to libnccl, without NCCL's header.
#pragma once

#include <cstddef>

#include "nccl/abi.hpp"
#include "nccl/entry_points.hpp"

#define BLINK_DECLARE(Result, name, parameters, arguments) extern "C" Result name parameters;
#define BLINK_DECLARE_TWIN(Result, name, parameters, arguments) extern "C" Result p##name parameters;

using namespace blink::preload::nccl;
BLINK_NCCL_DECIDED(BLINK_DECLARE)
BLINK_NCCL_FORWARDED(BLINK_DECLARE)
BLINK_NCCL_FORWARDED_WITHOUT_TWIN(BLINK_DECLARE)
BLINK_NCCL_DECIDED(BLINK_DECLARE_TWIN)
BLINK_NCCL_FORWARDED(BLINK_DECLARE_TWIN)

#undef BLINK_DECLARE
#undef BLINK_DECLARE_TWIN
