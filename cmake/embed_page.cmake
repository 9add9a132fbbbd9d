# Writes the files of the page into a C++ source: cmake -DPAGE=... -DSTYLE=... -DSCRIPT=... -DOUT=...
# -P embed_page.cmake. SCRIPT and STYLE may be empty: built without charts.
set(functions "")
foreach(name IN ITEMS template:PAGE style:STYLE script:SCRIPT)
  string(REPLACE ":" ";" pair ${name})
  list(GET pair 0 function)
  list(GET pair 1 variable)
  set(text "")
  if(${variable})
    file(READ ${${variable}} text)
  endif()
  string(LENGTH "${text}" length)
  set(pieces "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 12000 piece)
    string(APPEND pieces "      R\"embedded(${piece})embedded\",\n")
    math(EXPR at "${at} + 12000")
  endwhile()
  if(pieces STREQUAL "")
    string(APPEND functions "std::span<const std::string_view> page_${function}() { return {}; }\n\n")
  else()
    string(APPEND functions "std::span<const std::string_view> page_${function}() {
  static constexpr std::string_view pieces[] = {
${pieces}  };
  return pieces;
}

")
  endif()
endforeach()
file(WRITE ${OUT}.new "#include \"analysis/report/assets.hpp\"

namespace convoy::analysis {

${functions}}  // namespace convoy::analysis
")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
