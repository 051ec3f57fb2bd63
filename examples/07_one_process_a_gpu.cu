// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One process a GPU. Start it once a rank, in any way:
//
//     for r in 0 1; do ./07_one_process_a_gpu $r 2 file:/tmp/job42 & done; wait
//     torchrun --no-python --nproc-per-node 2 ./07_one_process_a_gpu env:29511
#include <blink/allgather.hpp>
#include <blink/allreduce.hpp>
#include <blink/communicator.hpp>

#include <cuda_runtime.h>

#include <cstdlib>
#include <iostream>

int main(int argc, char** argv) {
    if (argc != 2 && argc != 4) {
        std::cerr << "usage: " << argv[0] << " [RANK SIZE] ADDRESS\n";
        return 2;
    }
    try {
        const blink::rendezvous at{argv[argc - 1]};
        blink::communicator comm =
            argc == 2 ? blink::communicator{at} : blink::communicator{std::atoi(argv[1]), std::atoi(argv[2]), at};
        cudaStream_t stream = nullptr;
        blink::cuda::check(cudaSetDevice(comm.device()), "cudaSetDevice");
        blink::cuda::check(cudaStreamCreate(&stream), "cudaStreamCreate");

        constexpr std::size_t count = 1 << 20;
        auto grads = comm.make_buffer<float>(count); // or any memory of cudaMalloc
        grads.fill(static_cast<float>(comm.rank()));
        auto firsts = comm.make_buffer<float>(static_cast<std::size_t>(comm.size()));

        blink::allreduce(comm, grads.data(), grads.data(), count, blink::sum{}, stream); // in place; returns at once
        blink::allgather(comm, grads.data(), firsts.data(), 1, stream);
        comm.synchronize(); // throws what went wrong, here or on another rank

        std::cout << "rank " << comm.rank() << " of " << comm.size() << " on GPU " << comm.device() << " has "
                  << firsts.read().back() << '\n';
        blink::cuda::check(cudaStreamDestroy(stream), "cudaStreamDestroy");
    } catch (const blink::peer_lost_error& e) {
        std::cerr << "without rank " << e.rank() << " there is no going on: " << e.what() << '\n';
        return 1;
    } catch (const blink::error& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
