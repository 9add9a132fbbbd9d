#pragma once

// FedPM's rule (Isik et al. 2023, arXiv 2209.15328; code BerivanIsik/sparse-random-networks
// cf6b549, "Bayesian aggregation"). An update brings a mask for a parameter's score, .99 for a one
// and .01 for a zero. Of K updates with k ones
//
//   p = (.99 k + .01 (K - k)) / K;   score = log(p / (1 - p))
//
// That is the mode of a Beta distribution whose prior, Beta(1, 1), is set back in every round, as
// their code does (the schedule of resets that the paper has is commented out there). Every update
// counts 1, whatever its samples.
//
// It is no rule to choose from: what other kinds of schedule send are no masks, and what fedpm
// sends is nothing else.

#include <memory>

#include "engine/rules/rule.hpp"

namespace convoy::engine {

// What a zero and a one of a mask count as: so p is never 0 or 1, and no score infinite.
constexpr double mask_zero = 0.01;
constexpr double mask_one = 1 - mask_zero;

std::shared_ptr<const Rule> mean_of_masks();

}  // namespace convoy::engine
