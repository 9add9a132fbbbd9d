#include "hil/agent/node_engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/api/setup.hpp"
#include "engine/model/parameters.hpp"

namespace convoy::hil {
namespace {

// A node's own data must have the kind and shape that the model needs.
void check_own(const engine::DataShape& shape, const engine::Architecture& a) {
  if (shape.text) {
    throw base::UserError(
        "own_data = true: texts of one's own have a vocabulary of their own, whose numbers mean "
        "something else to the others; only images can be");
  }
  if (a.input != engine::InputKind::image || shape.channels != a.channels ||
      shape.height != a.height || shape.width != a.width || shape.classes > a.classes) {
    throw base::UserError(fmt::format(
        "own_data = true: its images are {} x {} x {} of {} classes, the model wants {} x {} x {} "
        "of at most {}",
        shape.channels, shape.height, shape.width, shape.classes, a.channels, a.height, a.width,
        a.classes));
  }
}

// The part of the common data set that the coordinator assigns to the node.
engine::LocalSplit given_part(const wire::SetupT& setup, const engine::DataSource& source) {
  if (engine::data_signature(source) != setup.data_signature) {
    throw base::UserError(
        "the data set on this machine is another one than the coordinator's, whose parts it was to "
        "train on; give it the same files, or own_data = true");
  }
  engine::LocalSplit part = {setup.train, setup.test};
  const auto count = static_cast<std::int64_t>(source.labels().size());
  for (const auto* list : {&part.train, &part.test}) {
    if (std::any_of(list->begin(), list->end(),
                    [&](std::int64_t i) { return i < 0 || i >= count; })) {
      throw base::UserError("the coordinator names samples that the data set does not have");
    }
  }
  return part;
}

engine::LocalSplit own_part(int node, const wire::SetupT& setup, std::uint64_t seed,
                            const engine::DataSource& source) {
  std::vector<std::int64_t> all(source.labels().size());
  std::iota(all.begin(), all.end(), 0);
  return engine::split_local(all, source.labels(), setup.local_test_share, seed, node);
}

}  // namespace

NodeEngine open_node_engine(int node, const wire::SetupT& setup, const NodeData& data) {
  const engine::EngineSetup text =
      engine::read_setup(setup.toml, data.source, data.is_own, "the coordinator's setup");
  const auto source = engine::open_source(text.data, "");
  engine::EngineOptions options = engine::options_of(text, *source, data.device);
  if (data.is_own) check_own(source->shape(), *options.architecture);
  engine::LocalSplit part =
      data.is_own ? own_part(node, setup, text.seed, *source) : given_part(setup, *source);
  if (part.train.empty()) throw base::UserError("there is no sample to train on");
  NodeEngine made;
  made.samples = static_cast<std::int64_t>(part.train.size());
  made.largest_parcel = engine::largest_parcel(*options.architecture);
  made.architecture = options.architecture;
  options.parts.resize(static_cast<std::size_t>(node) + 1);
  options.parts.back() = std::move(part);
  auto engine = engine::open_engine(options);
  engine->prepare_thread();
  made.engine = std::move(engine);
  return made;
}

}  // namespace convoy::hil
