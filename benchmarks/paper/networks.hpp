// SPDX-FileCopyrightText: The Blink authors
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
/// @file
/// The four networks whose training the Blink paper timed, layer by layer: parameters and work for one image.
///
/// Shapes as torchvision has them, for images of 224 x 224 and 1,000 classes: He et al., Deep residual learning, 2015
/// (ResNet18, ResNet50); Krizhevsky, One weird trick, 2014 (AlexNet); Simonyan and Zisserman, Very deep convolutional
/// networks, 2014 (VGG16).
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace blink_paper {

/// Parameters that the backward pass completes together, and what they cost.
struct layer {
    std::string name;
    std::vector<std::size_t> tensors; ///< numbers of elements, in the order in which the model lists them
    double flops = 0;                 ///< of the forward pass of one image, two for a multiplication and addition
};

struct network {
    std::string name;
    std::vector<layer> layers; ///< in the order of the forward pass
};

[[nodiscard]] inline std::size_t parameters(const network& n) {
    std::size_t sum = 0;
    for (const layer& l : n.layers) {
        for (const std::size_t t : l.tensors) { sum += t; }
    }
    return sum;
}

[[nodiscard]] inline double forward_flops(const network& n) {
    double sum = 0;
    for (const layer& l : n.layers) { sum += l.flops; }
    return sum;
}

namespace detail {

/// Appends layers and keeps the shape of what flows between them.
class stack {
  public:
    explicit stack(std::string name) : network_{std::move(name), {}} {}

    /// Channels and edge length of the square images that come out so far.
    [[nodiscard]] int channels() const { return channels_; }
    [[nodiscard]] int edge() const { return edge_; }
    /// Goes on from an earlier shape, for a branch beside the layers since.
    void set_shape(int channels, int edge) {
        channels_ = channels;
        edge_ = edge;
    }

    void convolution(int out, int kernel, int stride, int padding, bool normalised) {
        const auto weights = size(out) * size(channels_) * size(kernel) * size(kernel);
        edge_ = (edge_ + 2 * padding - kernel) / stride + 1;
        channels_ = out;
        // A batch normalisation has a scale and a shift for each channel and replaces the bias.
        add("convolution", normalised ? std::vector{weights, size(out), size(out)} : std::vector{weights, size(out)},
            2.0 * static_cast<double>(weights) * edge_ * edge_);
    }
    void pool(int kernel, int stride, int padding) { edge_ = (edge_ + 2 * padding - kernel) / stride + 1; }
    void average() { edge_ = 1; }
    /// Takes all values of the image as its input.
    void full(int out) {
        const auto weights = size(out) * size(channels_) * size(edge_) * size(edge_);
        set_shape(out, 1);
        add("full", {weights, size(out)}, 2.0 * static_cast<double>(weights));
    }

    [[nodiscard]] network done() { return std::move(network_); }

  private:
    [[nodiscard]] static std::size_t size(int n) { return static_cast<std::size_t>(n); }
    void add(const std::string& kind, std::vector<std::size_t> tensors, double flops) {
        network_.layers.push_back({kind + std::to_string(network_.layers.size()), std::move(tensors), flops});
    }

    network network_;
    int channels_ = 3;
    int edge_ = 224;
};

/// A residual network: `bottleneck` blocks of three convolutions, or of two.
[[nodiscard]] inline network resnet(const std::string& name, const std::array<int, 4>& blocks, bool bottleneck) {
    stack s(name);
    s.convolution(64, 7, 2, 3, true);
    s.pool(3, 2, 1);
    int width = 64;
    for (std::size_t stage = 0; stage < blocks.size(); ++stage, width *= 2) {
        for (int b = 0; b < blocks[stage]; ++b) {
            const int stride = stage > 0 && b == 0 ? 2 : 1;
            const int in = s.channels();
            const int edge = s.edge();
            const int out = bottleneck ? 4 * width : width;
            if (bottleneck) {
                s.convolution(width, 1, 1, 0, true);
                s.convolution(width, 3, stride, 1, true);
                s.convolution(out, 1, 1, 0, true);
            } else {
                s.convolution(width, 3, stride, 1, true);
                s.convolution(width, 3, 1, 1, true);
            }
            if (in != out) { // the way around the block changes its shape too
                s.set_shape(in, edge);
                s.convolution(out, 1, stride, 0, true);
            }
        }
    }
    s.average();
    s.full(1000);
    return s.done();
}

} // namespace detail

[[nodiscard]] inline network resnet18() { return detail::resnet("ResNet18", {2, 2, 2, 2}, false); }
[[nodiscard]] inline network resnet50() { return detail::resnet("ResNet50", {3, 4, 6, 3}, true); }

[[nodiscard]] inline network alexnet() {
    detail::stack s("AlexNet");
    s.convolution(64, 11, 4, 2, false);
    s.pool(3, 2, 0);
    s.convolution(192, 5, 1, 2, false);
    s.pool(3, 2, 0);
    for (const int out : {384, 256, 256}) { s.convolution(out, 3, 1, 1, false); }
    s.pool(3, 2, 0);
    for (const int out : {4096, 4096, 1000}) { s.full(out); }
    return s.done();
}

[[nodiscard]] inline network vgg16() {
    detail::stack s("VGG16");
    constexpr std::array widths{64, 128, 256, 512, 512};
    constexpr std::array convolutions{2, 2, 3, 3, 3};
    for (std::size_t stage = 0; stage < widths.size(); ++stage) {
        for (int i = 0; i < convolutions[stage]; ++i) { s.convolution(widths[stage], 3, 1, 1, false); }
        s.pool(2, 2, 0);
    }
    for (const int out : {4096, 4096, 1000}) { s.full(out); }
    return s.done();
}

} // namespace blink_paper
