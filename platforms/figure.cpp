#include "platforms/figure.hpp"

#include <vector>

namespace convoy::platforms {
namespace {

const std::vector<std::string>& origin_names() {
  static const std::vector<std::string> names = {"datasheet", "computed", "measured", "fitted",
                                                 "assumed"};
  return names;
}

}  // namespace

std::string name_of(Origin origin) { return origin_names()[static_cast<std::size_t>(origin)]; }

Figure read_figure(base::TableReader& parent, std::string_view key, base::Range range) {
  Figure figure;
  if (!parent.has(key)) {
    parent.error(key, "missing; expected { value = NUMBER, origin = \"...\" }");
    return figure;
  }
  base::TableReader reader = parent.table(key);
  figure.value = reader.number("value", range);
  figure.origin = static_cast<Origin>(reader.choice("origin", origin_names()));
  figure.note = reader.text("note", "");
  const bool needs_note = figure.origin == Origin::assumed || figure.origin == Origin::computed;
  if (needs_note && figure.note.empty()) {
    reader.error("note", "a figure that is " + name_of(figure.origin) + " says here how or why");
  }
  reader.finish();
  return figure;
}

}  // namespace convoy::platforms
