#include "engine/data/glyphs.hpp"
#include "engine/data/sources.hpp"
#include "engine/data/subset.hpp"

namespace convoy::engine {
namespace {

class GlyphSource : public DataSource {
 public:
  explicit GlyphSource(const DataOptions& options)
      : seed_(options.seed), tests_(options.test_samples.value_or(glyph_test_samples)) {
    shape_.channels = 1;
    shape_.height = glyph_side;
    shape_.width = glyph_side;
    shape_.classes = options.classes;
    labels_ = glyph_labels(seed_, Part::train, options.samples.value_or(glyph_train_samples),
                           options.classes);
  }

  [[nodiscard]] const DataShape& shape() const override { return shape_; }
  [[nodiscard]] const std::vector<int>& labels() const override { return labels_; }
  [[nodiscard]] std::int64_t test_size() const override { return tests_; }
  [[nodiscard]] Dataset train() const override { return draw(Part::train, labels_); }
  [[nodiscard]] Dataset test() const override {
    return draw(Part::test, glyph_labels(seed_, Part::test, tests_, shape_.classes));
  }

 private:
  [[nodiscard]] Dataset draw(Part part, std::vector<int> labels) const {
    constexpr std::size_t size = std::size_t{glyph_side} * glyph_side;
    check_size("glyphs", static_cast<std::int64_t>(labels.size()), size);
    Dataset data;
    data.shape = shape_;
    data.labels = std::move(labels);
    data.pixels.resize(data.labels.size() * size);
    for (std::size_t i = 0; i < data.labels.size(); ++i) {
      draw_glyph(seed_, part, static_cast<std::int64_t>(i), data.labels[i],
                 std::span(data.pixels).subspan(i * size, size));
    }
    return data;
  }

  std::uint64_t seed_;
  std::int64_t tests_;
  DataShape shape_;
  std::vector<int> labels_;
};

}  // namespace

std::unique_ptr<DataSource> open_glyphs(const DataOptions& options) {
  return std::make_unique<GlyphSource>(options);
}

}  // namespace convoy::engine
