#pragma once

// Training steps of a task: how many there are, and how long one takes on this machine. For
// displays and estimates.

#include <cstdint>
#include <memory>

#include "engine/api/engine.hpp"

namespace convoy::engine {

// Steps of one batch that a work trains (weights or masks) on so many samples; 0 for other work.
std::int64_t training_steps(const Work& work, std::int64_t samples, int batch);
// True for work that trains weights.
bool trains_weights(const Work& work);
// Where stages train apart: the part of a step that begins with this work, 1 / M for each of M
// micro-batches, at the model's first layer; 0 for other work.
double steps_begun_by_stages(const Work& work);

// Wall seconds of one training step of a node on its own data, from these weights: the second of
// two steps, or the first, which also sets up the session, if it took longer than `longest_s`.
// Throws the engine's exceptions.
double measured_training_step(const Engine& engine, std::shared_ptr<const Weights> weights,
                              int node, double rate, int batch, double longest_s);

}  // namespace convoy::engine
