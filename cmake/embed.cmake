# Writes the files of the catalogue into a C++ source: cmake -DROOT=... -DOUT=... -P embed.cmake
file(GLOB files RELATIVE ${ROOT} ${ROOT}/devices/*.toml ${ROOT}/links/*.toml ${ROOT}/fleets/*.toml)
list(SORT files)
set(rows "")
foreach(file IN LISTS files)
  file(READ ${ROOT}/${file} text)
  string(APPEND rows "    {\"${file}\", R\"toml(${text})toml\"},\n")
endforeach()
file(WRITE ${OUT}.new "#include \"platforms/embedded.hpp\"

namespace convoy::platforms {

std::span<const EmbeddedFile> embedded_files() {
  static constexpr EmbeddedFile files[] = {
${rows}  };
  return files;
}

}  // namespace convoy::platforms
")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
