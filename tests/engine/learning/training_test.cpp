// Tests local training, gates, losses and optimizers against independently computed values.

#include <gtest/gtest.h>

#include <cmath>

#include "engine/learning/gates.hpp"
#include "engine/learning/initial.hpp"
#include "engine/learning/loss.hpp"
#include "engine/learning/optimizer.hpp"
#include "tests/engine/learning/support.hpp"

namespace convoy::engine {
namespace {

using test::layout_of;

double largest(const Tensor& t) { return t.abs().max().item<double>(); }

// --- optimizers ---------------------------------------------------------------------------------

// Runs our steps and LibTorch's with the same artificial gradients.
template <class Theirs>
double difference(OptimizerOptions ours, double rate, Theirs theirs) {
  torch::manual_seed(1);
  const Tensor start = at::randn({4, 3});
  Tensor a = start.clone().requires_grad_();
  Tensor b = start.clone().requires_grad_();
  OptimizerSteps steps(ours, rate);
  auto optimizer = theirs(std::vector<Tensor>{b});
  for (int i = 0; i < 6; ++i) {
    const Tensor g = at::randn({4, 3});
    a.mutable_grad() = g.clone();
    b.mutable_grad() = g.clone();
    steps.step({a, Tensor()});
    optimizer.step();
  }
  return largest(a.detach() - b.detach());
}

TEST(Optimizers, SgdAndAdamWAreLibTorchsOwn) {
  OptimizerOptions sgd{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.01};
  EXPECT_LE(difference(sgd, 0.1,
                       [](auto p) {
                         return torch::optim::SGD(
                             p, torch::optim::SGDOptions(0.1).momentum(0.9).weight_decay(0.01));
                       }),
            1e-6);
  sgd.nesterov = true;
  EXPECT_LE(
      difference(
          sgd, 0.1,
          [](auto p) {
            return torch::optim::SGD(
                p, torch::optim::SGDOptions(0.1).momentum(0.9).nesterov(true).weight_decay(0.01));
          }),
      1e-6);
  const OptimizerOptions adamw{.kind = OptimizerKind::adamw,
                               .learning_rate = 0.01,
                               .weight_decay = 0.05,
                               .betas = {0.9, 0.999}};
  EXPECT_LE(difference(adamw, 0.01,
                       [](auto p) {
                         return torch::optim::AdamW(
                             p, torch::optim::AdamWOptions(0.01).weight_decay(0.05));
                       }),
            1e-6);
}

TEST(Optimizers, AdanIsItsFormula) {
  // One number in plain doubles, by the formula of arXiv 2208.06677 with decay factors.
  const double b1 = 0.98;
  const double b2 = 0.92;
  const double b3 = 0.99;
  const double lr = 0.01;
  const double decay = 0.05;
  const std::vector<double> gradients = {0.5, -0.25, 1.5, 0.75, -2.0};
  double w = 1.25;
  double m = 0;
  double v = 0;
  double n = 0;
  double before = gradients[0];
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const double g = gradients[i];
    const double d = g - before;
    before = g;
    m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * d;
    n = b3 * n + (1 - b3) * (g + b2 * d) * (g + b2 * d);
    const double t = static_cast<double>(i) + 1;
    const double step = (m / (1 - std::pow(b1, t)) + b2 * v / (1 - std::pow(b2, t))) /
                        (std::sqrt(n / (1 - std::pow(b3, t))) + 1e-8);
    w = (w - lr * step) / (1 + lr * decay);
  }
  OptimizerSteps steps(
      OptimizerOptions{.kind = OptimizerKind::adan, .weight_decay = decay, .betas = {b1, b2, b3}},
      lr);
  Tensor x = at::tensor({1.25}, at::kDouble).requires_grad_();
  for (const double g : gradients) {
    x.mutable_grad() = at::tensor({g}, at::kDouble);
    steps.step({x});
  }
  EXPECT_NEAR(x.item<double>(), w, 1e-12);
  EXPECT_EQ(steps.take_state().steps, 5);
}

TEST(Optimizers, ClippingScalesTheJointNorm) {
  Tensor a = at::zeros({2}).requires_grad_();
  Tensor b = at::zeros({1}).requires_grad_();
  a.mutable_grad() = at::tensor({3.0F, 0.0F});
  b.mutable_grad() = at::tensor({4.0F});
  EXPECT_NEAR(clip_gradients({a, Tensor(), b}, 10), 5, 1e-6);
  EXPECT_NEAR(a.grad()[0].item<double>(), 3, 1e-6);
  clip_gradients({a, b}, 1);
  EXPECT_NEAR(a.grad()[0].item<double>(), 0.6, 1e-5);
  EXPECT_NEAR(b.grad()[0].item<double>(), 0.8, 1e-5);
}

TEST(Optimizers, RateSchedules) {
  RateSchedule r;
  EXPECT_EQ(r.at(1000), 1);
  r = {.kind = RateSchedule::Kind::step, .every = 10, .factor = 0.5};
  EXPECT_EQ(r.at(9), 1);
  EXPECT_EQ(r.at(10), 0.5);
  EXPECT_EQ(r.at(35), 0.125);
  r = {.kind = RateSchedule::Kind::cosine, .over = 100, .floor = 0.1};
  EXPECT_DOUBLE_EQ(r.at(0), 1);
  EXPECT_DOUBLE_EQ(r.at(50), 0.55);
  EXPECT_DOUBLE_EQ(r.at(400), 0.1);
  r = {.kind = RateSchedule::Kind::exponential, .factor = 0.9, .warmup = 4};
  EXPECT_DOUBLE_EQ(r.at(0), 0.2);
  EXPECT_DOUBLE_EQ(r.at(3), 0.8);
  EXPECT_DOUBLE_EQ(r.at(6), 0.81);
}

// --- the transfer loss --------------------------------------------------------------------------

std::vector<double> softmax(const std::vector<double>& z, double t) {
  double sum = 0;
  std::vector<double> p;
  for (const double x : z) sum += std::exp(x / t);
  for (const double x : z) p.push_back(std::exp(x / t) / sum);
  return p;
}

TEST(Loss, TransferIsItsFormula) {
  const std::vector<std::vector<double>> shallow = {{1.0, 0.5, -0.3}, {0.2, 0.1, 0.9}};
  const std::vector<std::vector<double>> deep = {{2.0, -1.0, 0.4}, {0.3, 1.7, -0.6}};
  const std::vector<int> labels = {0, 2};
  double entropies = 0;
  double divergence = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto y = static_cast<std::size_t>(labels[i]);
    entropies -= std::log(softmax(shallow[i], 1)[y]) / 2 + std::log(softmax(deep[i], 1)[y]) / 2;
    const auto p = softmax(deep[i], 3);
    const auto q = softmax(shallow[i], 3);
    for (std::size_t c = 0; c < 3; ++c) divergence += p[c] * std::log(p[c] / q[c]);
  }
  const auto tensor = [](const auto& rows) {
    Tensor t = at::empty({2, 3}, at::kDouble);
    for (int i = 0; i < 2; ++i) {
      for (int c = 0; c < 3; ++c) t[i][c] = rows[static_cast<std::size_t>(i)][c];
    }
    return t;
  };
  const Tensors exits = {tensor(shallow).requires_grad_(), tensor(deep).requires_grad_()};
  const Tensor y = at::tensor(std::vector<std::int64_t>{0, 2});
  TransferOptions transfer;
  transfer.weight = 0;
  EXPECT_NEAR(training_loss(exits, y, transfer).item<double>(), entropies, 1e-12);
  transfer.weight = 0.5;  // mean over batch and classes
  EXPECT_NEAR(training_loss(exits, y, transfer).item<double>(),
              entropies + 0.5 * 9 * divergence / 6, 1e-12);
  transfer.by_batch = true;
  EXPECT_NEAR(training_loss(exits, y, transfer).item<double>(),
              entropies + 0.5 * 9 * divergence / 2, 1e-12);

  // Detached: the teacher's gradient is that of its cross entropy only.
  const auto teacher_gradient = [&](double weight, bool detached) {
    transfer.weight = weight;
    transfer.detached = detached;
    return torch::autograd::grad({training_loss(exits, y, transfer)}, {exits[1]})[0];
  };
  EXPECT_LE(largest(teacher_gradient(0.5, true) - teacher_gradient(0, false)), 1e-12);
  EXPECT_GT(largest(teacher_gradient(0.5, false) - teacher_gradient(0, false)), 1e-3);
  // A single exit has no other exit to teach.
  transfer.weight = 0.5;
  EXPECT_NEAR(training_loss({exits[1]}, y, transfer).item<double>(),
              at::cross_entropy_loss(exits[1], y).item<double>(), 1e-12);
}

Tensor rows_of(const std::vector<std::vector<double>>& rows) {
  const auto width = static_cast<std::int64_t>(rows.front().size());
  Tensor t = at::empty({std::ssize(rows), width}, at::kDouble);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::int64_t c = 0; c < width; ++c) {
      t[static_cast<std::int64_t>(i)][c] = rows[i][static_cast<std::size_t>(c)];
    }
  }
  return t;
}

// DepthFL's, written out: sum_i [ CE_i + w/(d-1) sum_{j != i} sum_c q_jc (log q_jc - log p_ic) ].
TEST(Loss, EachExitLearnsFromAllOthersByDepthFLsFormula) {
  const std::vector<std::vector<std::vector<double>>> scores = {
      {{1.0, 0.5, -0.3}, {0.2, 0.1, 0.9}},
      {{2.0, -1.0, 0.4}, {0.3, 1.7, -0.6}},
      {{-0.7, 0.8, 12.0}, {1.1, -0.2, 0.5}}};  // of 12 the others' shares are below 1e-5
  const std::vector<std::size_t> labels = {0, 2};
  const double weight = 0.3;
  double wanted = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t sample = 0; sample < 2; ++sample) {
      const auto p = softmax(scores[i][sample], 1);
      wanted -= std::log(p[labels[sample]]) / 2;
      for (std::size_t j = 0; j < 3; ++j) {
        if (j == i) continue;
        for (std::size_t c = 0; c < 3; ++c) {
          const double q = softmax(scores[j][sample], 1)[c] + 1e-7;
          wanted += weight / 2 * q * (std::log(q) - std::log(p[c])) / 2;
        }
      }
    }
  }
  Tensors exits;
  for (const auto& rows : scores) exits.push_back(rows_of(rows).requires_grad_());
  const Tensor y = at::tensor(std::vector<std::int64_t>{0, 2});
  const TransferOptions transfer{
      .mutual = true, .weight = weight, .temperature = 1, .by_batch = true, .detached = true};
  const Tensor loss = training_loss(exits, y, transfer);
  EXPECT_NEAR(loss.item<double>(), wanted, 1e-12);

  // An exit's gradient is that of its own terms: what it teaches does not pull at it.
  const Tensor slope = torch::autograd::grad({loss}, {exits[1]})[0];
  for (std::size_t sample = 0; sample < 2; ++sample) {
    const auto p = softmax(scores[1][sample], 1);
    for (std::size_t c = 0; c < 3; ++c) {
      double by_hand = (p[c] - (labels[sample] == c ? 1 : 0)) / 2;
      for (const std::size_t j : {std::size_t{0}, std::size_t{2}}) {
        const double q = softmax(scores[j][sample], 1)[c] + 1e-7;
        by_hand += weight / 2 * (p[c] * (1 + 3e-7) - q) / 2;
      }
      EXPECT_NEAR(
          slope[static_cast<std::int64_t>(sample)][static_cast<std::int64_t>(c)].item<double>(),
          by_hand, 1e-12);
    }
  }

  // Alone an exit has nobody to learn from.
  EXPECT_EQ(training_loss({exits[1]}, y, transfer).item<double>(),
            at::cross_entropy_loss(exits[1], y).item<double>());
}

TEST(Loss, TheWeightOfATransferRisesOverItsRamp) {
  const TransferOptions depthfl{.mutual = true, .weight = 1, .from_version = 0, .ramp = 300};
  EXPECT_DOUBLE_EQ(depthfl.weight_at(0), std::exp(-5));
  EXPECT_DOUBLE_EQ(depthfl.weight_at(150), std::exp(-1.25));
  EXPECT_DOUBLE_EQ(depthfl.weight_at(300), 1);
  EXPECT_DOUBLE_EQ(depthfl.weight_at(1000), 1);
  const TransferOptions late{.weight = 0.5, .from_version = 10, .ramp = 2};
  EXPECT_EQ(late.weight_at(9), 0);
  EXPECT_DOUBLE_EQ(late.weight_at(11), 0.5 * std::exp(-1.25));
  EXPECT_EQ((TransferOptions{.weight = 0.5, .from_version = 10}).weight_at(10), 0.5);
}

// HeteroFL's code sets the scores of absent labels to 0, not to minus infinity.
TEST(Loss, ScoresOfAbsentLabelsAreZeroBeforeTheSoftmax) {
  const std::vector<std::vector<double>> first = {{1.0, 0.5, -3.0}, {0.2, 0.1, 4.0}};
  const std::vector<std::vector<double>> second = {{2.0, -1.0, 7.0}, {0.3, 1.7, -0.6}};
  const std::vector<std::size_t> labels = {0, 1};
  double wanted = 0;
  for (const auto& exit : {first, second}) {
    for (std::size_t i = 0; i < 2; ++i) {
      const double all = std::exp(exit[i][0]) + std::exp(exit[i][1]) + 1;  // of the third exp(0)
      wanted -= std::log(std::exp(exit[i][labels[i]]) / all) / 2;
    }
  }
  const Tensors exits = {rows_of(first).requires_grad_(), rows_of(second)};
  const Tensor y = at::tensor(std::vector<std::int64_t>{0, 1});
  const Tensor absent = at::tensor(std::vector<std::int64_t>{0, 0, 1}).to(at::kBool);
  TransferOptions transfer;
  transfer.weight = 0;
  const Tensor loss = training_loss(exits, y, transfer, absent);
  EXPECT_NEAR(loss.item<double>(), wanted, 1e-12);
  const Tensor slope = torch::autograd::grad({loss}, {exits[0]})[0];
  EXPECT_EQ(slope.select(1, 2).abs().max().item<double>(), 0);
  EXPECT_GT(slope.select(1, 0).abs().min().item<double>(), 0);
  // None absent: the same scores.
  EXPECT_TRUE(without_absent(exits[0], {}).is_same(exits[0]));
}

// --- gates --------------------------------------------------------------------------------------

ModelOptions one_block_mlp() {
  ModelOptions options;
  options.architecture = "mlp";
  options.classes = 3;
  options.image_size = 4;
  return options;
}

Tensors gated(const Gates& gates, Tensors tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i] = gates.gated(i, tensors[i]);
  return tensors;
}

TEST(Gates, GradientIsStraightThroughAndTheRateTerm) {
  const Layout layout = layout_of(one_block_mlp());
  const Architecture& a = *layout.architecture;
  at::Generator draws = make_generator(at::kCPU, 5);
  const Tensors weights = initial_tensors(layout, 3);
  Gates gates(layout, a.depth(), 0.5, false, draws);
  gates.draw(draws);
  const Tensors effective = gated(gates, weights);
  // An artificial loss: the sum of c x (gate x weight) over all gated values, with a different c
  // for each.
  std::vector<Tensor> factors;
  Tensor loss = at::zeros({});
  for (std::size_t i = 0; i < layout.size(); ++i) {
    factors.push_back(at::randn(weights[i].sizes(), draws));
    loss = loss + (effective[i] * factors[i]).sum();
  }
  loss.backward();
  const double error = gates.rate_error(draws);
  EXPECT_GT(error, 0);
  const double lambda = 7;
  const Tensors with = gates.gradients(lambda);
  const Tensors without = gates.gradients(0);
  const auto count = static_cast<double>(gates.count());
  EXPECT_EQ(count, 400);
  for (std::size_t g = 0; g < a.groups.size(); ++g) {
    const Tensor p = gates.logits()[g].sigmoid();
    Tensor by_gate = at::zeros_like(p);
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if (layout.tensors[i].row_group != static_cast<int>(g)) continue;
      const Tensor product = weights[i] * factors[i];
      by_gate += product.dim() == 1 ? product : product.sum(1);
    }
    // dL/dlogit = dL/dg x p x p (1 - p)
    EXPECT_LE(largest(without[g] - by_gate * p * p * (1 - p)), 1e-5);
    const Tensor rate_term = (with[g] - without[g]) / (p * p * (1 - p));
    EXPECT_LE(largest(rate_term.abs() - lambda / count), 1e-5);
  }
}

TEST(Gates, TheRateTermClosesSomeWhereTooManyAreOpenAndOpensSomeWhereTooFewAre) {
  const Layout layout = layout_of(one_block_mlp());
  at::Generator draws = make_generator(at::kCPU, 5);
  for (const double logit : {3.0, -3.0}) {  // 95 % are open, or 5 %
    Gates gates(layout, 2, 0.5, Tensors{at::full({200}, logit), at::full({200}, logit)});
    gates.draw(draws);
    EXPECT_GT(gates.rate_error(draws), 0.3);
    // A step goes against the gradient.
    for (const Tensor& slope : gates.gradients(1)) {
      EXPECT_GT((slope * logit).min().item<double>(), 0) << logit;
    }
  }
}

TEST(Gates, GateOneByOneMatchFiniteDifferences) {
  // dL/dg of the whole network, with a gate as a number between 0 and 1.
  const Layout layout = layout_of(one_block_mlp());
  const Architecture& a = *layout.architecture;
  const Tensors weights = initial_tensors(layout, 3);
  const Network network(layout, full_submodel(a), true);
  const Tensor input = test::random_input(a, 6, 1);
  const Tensor labels = at::arange(6) % 3;
  at::Generator draws = make_generator(at::kCPU, 5);
  Gates gates(layout, a.depth(), 0.5, false, draws);
  gates.draw(draws);
  const auto loss_of = [&](const Tensors& effective) {
    return at::cross_entropy_loss(network.forward(effective, input, {}).back(), labels);
  };
  loss_of(gated(gates, weights)).backward();
  const Tensors slopes = gates.gradients(0);
  const Tensors drawn = gated(gates, weights);
  int compared = 0;
  for (const int member : {0, 7, 31, 150}) {
    // The effect of one gate, by hand: its row and bias of block0 multiplied by g +- h.
    const auto at_gate = [&](double g) {
      Tensors changed = drawn;
      for (std::size_t i = 0; i < layout.size(); ++i) {
        if (layout.tensors[i].row_group != 0) continue;
        changed[i] = drawn[i].detach().clone();
        changed[i][member] = weights[i][member] * g;
      }
      return loss_of(changed).item<double>();
    };
    const bool open = drawn[0][member].abs().sum().item<double>() > 0;
    const double g = open ? 1 : 0;
    const double h = 1e-2;
    const double slope = (at_gate(g + h) - at_gate(g - h)) / (2 * h);
    const double p = gates.logits()[0][member].sigmoid().item<double>();
    EXPECT_NEAR(slopes[0][member].item<double>(), slope * p * p * (1 - p), 2e-4);
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

// With all gates open: |sum of gradient x weight| over all that a member produces, by gradients of
// the weights themselves.
TEST(Gates, ImportanceIsTheFirstOrderEffectOfAMember) {
  const Layout layout = layout_of(one_block_mlp());
  const Architecture& a = *layout.architecture;
  const Network network(layout, full_submodel(a), true);
  const Tensor input = test::random_input(a, 6, 1);
  const Tensor labels = at::arange(6) % 3;
  Tensors weights = initial_tensors(layout, 3);
  at::Generator draws = make_generator(at::kCPU, 5);
  Gates gates(layout, a.depth(), 0.5, false, draws);
  gates.open();
  const auto loss_of = [&](const Tensors& effective) {
    return at::cross_entropy_loss(network.forward(effective, input, {}).back(), labels);
  };
  loss_of(gated(gates, weights)).backward();
  const Scores importance = gates.importance();
  for (Tensor& w : weights) w = w.detach().clone().requires_grad_();
  loss_of(weights).backward();
  const at::NoGradGuard no_grad;
  for (std::size_t g = 0; g < a.groups.size(); ++g) {
    Tensor expected = at::zeros({a.groups[g].size}, at::kDouble);
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if (layout.tensors[i].row_group != static_cast<int>(g)) continue;
      const Tensor product = weights[i] * weights[i].grad();
      expected += product.dim() == 1 ? product : product.sum(1);
    }
    EXPECT_LE(largest(importance[g] - expected.abs()), 1e-6);
    EXPECT_GT(expected.abs().max().item<double>(), 1e-4);
  }
}

TEST(Gates, TopKeepsExactSizesAndSampledComesClose) {
  for (const ModelOptions& options : test::small_models()) {
    const Layout layout = layout_of(options);
    const Architecture& a = *layout.architecture;
    for (const double rate : {0.25, 0.5, 0.75}) {
      at::Generator draws = make_generator(at::kCPU, 5);
      const int depth = depth_at(a, rate);
      const Gates gates(layout, depth, rate, false, draws);
      const Submodel top = gates.submodel(false, draws);
      const Submodel nested = nested_submodel(a, rate);
      EXPECT_EQ(top.depth, nested.depth);
      for (std::size_t g = 0; g < a.groups.size(); ++g) {
        EXPECT_EQ(top.kept[g].size(), nested.kept[g].size());
      }
      const Submodel sampled = gates.submodel(true, draws);
      double kept = 0;
      double all = 0;
      for (std::size_t g = 0; g < a.groups.size(); ++g) {
        kept += static_cast<double>(sampled.kept[g].size());
        all += a.groups[g].block < depth ? a.groups[g].size : 0;
        EXPECT_EQ(sampled.kept[g].empty(), a.groups[g].block >= depth);
      }
      // Three standard deviations for this number of coins.
      EXPECT_NEAR(kept / all, rate, 3 * std::sqrt(rate * (1 - rate) / all) + 0.02);
    }
  }
}

TEST(Gates, AGroupIsNeverLeftWithoutAMember) {
  const Layout layout = layout_of(one_block_mlp());
  at::Generator draws = make_generator(at::kCPU, 5);
  Tensors logits = {at::full({200}, -30.0), at::full({200}, -30.0)};
  logits[0][17] = -29;
  Gates gates(layout, 2, 0.01, logits);
  gates.draw(draws);
  const Submodel s = gates.submodel(true, draws);
  EXPECT_EQ(s.kept[0], std::vector<int>{17});
  EXPECT_EQ(s.kept[1].size(), 1U);
}

TEST(Gates, OtherSelections) {
  const Layout layout = layout_of(one_block_mlp());
  Tensors weights = initial_tensors(layout, 3);
  weights[0][5] *= 100;
  weights[0][150] *= 90;
  const Submodel loudest = keep_highest(layout, magnitude_scores(layout, weights, 2), 2, 0.01);
  EXPECT_EQ(loudest.kept[0], (std::vector<int>{5, 150}));
  const auto drawn = [&](int node) {
    return keep_highest(layout, random_scores(layout, 2, 1, node), 2, 0.5).kept[0];
  };
  EXPECT_EQ(drawn(1), drawn(1));
  EXPECT_NE(drawn(1), drawn(2));
}

}  // namespace
}  // namespace convoy::engine
