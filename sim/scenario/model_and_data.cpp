#include "sim/scenario/model_and_data.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/model/submodel.hpp"

namespace convoy::sim {
namespace {

using base::Value;

// Images of a size that the architecture cannot take are resized to its default size.
bool takes(engine::ModelOptions model, int image_size) {
  model.image_size = image_size;
  try {
    engine::make_architecture(model);
    return true;
  } catch (const base::UserError&) {
    return false;
  }
}

// `key`: what names the architecture.
void check_fit(const engine::DataShape& shape, const engine::ModelOptions& m, const char* key) {
  const bool reads_text = engine::input_of(m.architecture) == engine::InputKind::tokens;
  if (shape.text != reads_text) {
    throw base::UserError(fmt::format(
        "{}: {} reads {}, and the data are {}; choose another model or other data", key,
        m.architecture, reads_text ? "texts" : "images", shape.text ? "texts" : "images"));
  }
  if (m.classes != shape.classes) {
    throw base::UserError(fmt::format(
        "model.classes: {}, but the data have {} classes; leave it out, or choose other data",
        m.classes, shape.classes));
  }
  if (!shape.text && shape.channels != 1 && *m.channels != shape.channels) {
    throw base::UserError(fmt::format("model.channels: {}, but the images have {}; leave it out",
                                      *m.channels, shape.channels));
  }
  if (shape.text && *m.sequence < shape.sequence) {
    throw base::UserError(
        fmt::format("model.sequence: {}, but data.sequence is {}; leave one of them out",
                    *m.sequence, shape.sequence));
  }
  if (shape.text && *m.vocabulary < shape.vocabulary) {
    throw base::UserError(
        fmt::format("model.vocabulary: {}, but the data's has {} entries; leave it out, or set "
                    "data.vocabulary.size",
                    *m.vocabulary, shape.vocabulary));
  }
}

// Adapts what [model] leaves open to the data.
void fit(const engine::DataShape& shape, engine::ModelOptions& m, const char* key) {
  if (!shape.text && !m.channels) m.channels = shape.channels;
  if (!shape.text && !m.image_size && takes(m, shape.height)) m.image_size = shape.height;
  if (shape.text && !m.sequence) m.sequence = shape.sequence;
  if (shape.text && !m.vocabulary) m.vocabulary = shape.vocabulary;
  check_fit(shape, m, key);
}

}  // namespace

bool make_model(const Value& root, const std::filesystem::path& folder, Scenario& scenario,
                Setting& setting, base::Diagnostics& problems) {
  const Value* model = root.find("model");
  const Value* data = root.find("data");
  const auto given = [](const Value* table, const char* key) {
    return table != nullptr && table->find(key) != nullptr;
  };
  // The same name is the model itself.
  const bool learns_another = !scenario.training.learn_as.empty() &&
                              scenario.training.learn_as != scenario.model.architecture;
  const char* to_blame = "data";
  try {
    if (scenario.training.learn || scenario.data.source_given) {
      const bool glyphs = scenario.data.source == "glyphs";
      if (glyphs && given(model, "classes") && !given(data, "classes")) {
        scenario.data.classes = std::min(scenario.model.classes, engine::glyph_kinds);
      }
      scenario.source = engine::open_source(scenario.data, folder);
      for (std::string& remark : scenario.source->remarks()) {
        problems.warning(root.place_of("data"), std::move(remark));
      }
      const engine::DataShape& shape = scenario.source->shape();
      if (!given(model, "classes")) scenario.model.classes = shape.classes;
      to_blame = "model";
      if (!learns_another) {
        fit(shape, scenario.model, "model.architecture");
      } else {
        // The model keeps its own input, also where nothing is learned, so that the same costs come
        // out: what is learned takes that of the data.
        to_blame = "training";
        if (scenario.training.learn && !given(model, "architecture")) {
          throw base::UserError(
              "training.learn_as: name model.architecture, whose costs these are");
        }
        scenario.learned = engine::ModelOptions{};
        scenario.learned.architecture = scenario.training.learn_as;
        scenario.learned.classes = scenario.model.classes;
        scenario.learned.exits = scenario.model.exits;
        if (scenario.training.learn) fit(shape, scenario.learned, "training.learn_as");
      }
    }
    to_blame = "model";
    setting.architecture =
        std::make_shared<const engine::Architecture>(engine::make_architecture(scenario.model));
    if (learns_another && scenario.training.learn) {
      to_blame = "training";
      setting.learned_as =
          std::make_shared<const engine::Architecture>(engine::make_architecture(scenario.learned));
    } else {
      scenario.learned = scenario.model;
    }
    if (scenario.training.learn && setting.learned().per_pixel) {
      throw base::UserError(fmt::format(
          "{}: {} gives a class for every pixel, and no data source has such "
          "labels: it is for timing only; choose another, or set training.learn = false",
          learns_another ? "training.learn_as" : "model.architecture", setting.learned().name));
    }
    return true;
  } catch (const base::UserError& e) {
    problems.error(root.place_of(to_blame), e.what());
    return false;
  }
}

bool has_exit_to_evaluate(const Value& root, const Scenario& scenario, const Setting& setting,
                          base::Diagnostics& problems) {
  const engine::Architecture& a = setting.learned();
  const int depth =
      engine::depth_at(a, scenario.evaluation.rate, scenario.schedule.learning.mask.all_blocks);
  if (a.exit_at(depth)) return true;
  problems.error(root.find("evaluation")->where,
                 fmt::format("evaluation.rate: {} keeps {} of {} blocks, and no exit is among "
                             "them; raise it, or add to model.exits",
                             scenario.evaluation.rate, depth, a.depth()));
  return false;
}

}  // namespace convoy::sim
