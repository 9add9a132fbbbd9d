# Writes the commit of the source into a C++ source: cmake -DROOT=... -DOUT=... -P commit.cmake.
# Runs with every build and touches the file only where the commit has changed, so that one small
# file is compiled anew and nothing else.
set(commit "")
find_package(Git QUIET)
if(GIT_FOUND AND EXISTS ${ROOT}/.git)
  execute_process(
    COMMAND ${GIT_EXECUTABLE} -C ${ROOT} describe --always --dirty --abbrev=12 --exclude=*
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(commit STREQUAL "")
  set(commit "unknown")
endif()
file(WRITE ${OUT}.new "#include \"base/build.hpp\"

namespace convoy::base {

const char* source_commit() { return \"${commit}\"; }

}  // namespace convoy::base
")
file(COPY_FILE ${OUT}.new ${OUT} ONLY_IF_DIFFERENT)
