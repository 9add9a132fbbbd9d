#include "platforms/figure.hpp"

#include <fmt/format.h>

namespace convoy::platforms {

Figure read_figure(base::TableReader& parent, std::string_view key, base::Range range) {
  Figure figure;
  if (!parent.has(key)) {
    parent.error(key, "missing; expected { value = NUMBER, origin = \"...\" }");
    return figure;
  }
  base::TableReader reader = parent.table(key);
  figure.value = reader.number("value", range);
  figure.origin = reader.choice("origin", origin_words);
  figure.note = reader.text("note", "");
  const bool needs_note = figure.origin == Origin::assumed || figure.origin == Origin::computed;
  if (needs_note && figure.note.empty()) {
    reader.error("note", fmt::format("a figure that is {} says here how or why",
                                     name_of(origin_words, figure.origin)));
  }
  reader.finish();
  return figure;
}

}  // namespace convoy::platforms
