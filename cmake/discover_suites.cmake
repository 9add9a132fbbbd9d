# One CTest test, SUITE.All, for each suite of a GoogleTest program that takes long to load, where
# gtest_discover_tests() makes one for each test:
#
#   cmake -DPROGRAM=FILE -DOUT=FILE.cmake "-DEXCEPT=SUITE;SUITE" "-DENVIRONMENT=A=1;B=2" -P discover_suites.cmake
#
# EXCEPT: suites that are left out. A test of the others that is skipped fails its suite: CTest could not say so of a part.
cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND ${PROGRAM} --gtest_list_tests OUTPUT_VARIABLE listed RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM}: cannot list its tests (${status})")
endif()
# Lines as a list: without what CMake gives a meaning in one, which only values of parameters have.
string(REGEX REPLACE "#[^\n]*" "" listed "${listed}")
string(REGEX REPLACE "[][;]" "" listed "${listed}")
string(REPLACE "\n" ";" lines "${listed}")
set(tests "")
foreach(line IN LISTS lines)
  if(line MATCHES "^Running main" OR NOT line MATCHES "^([^ ].*)\\. *$")
    continue()
  endif()
  set(suite "${CMAKE_MATCH_1}")
  if(suite IN_LIST EXCEPT)
    continue()
  endif()
  string(APPEND tests "add_test([=[${suite}.All]=] [=[${PROGRAM}]=] [=[--gtest_filter=${suite}.*]=])\n"
                      "set_tests_properties([=[${suite}.All]=] PROPERTIES ENVIRONMENT [=[${ENVIRONMENT}]=] COST 100"
                      " FAIL_REGULAR_EXPRESSION [=[\\[  SKIPPED \\]]=])\n")
endforeach()
if(tests STREQUAL "")
  message(FATAL_ERROR "${PROGRAM}: has no suite")
endif()
file(WRITE ${OUT} "${tests}")
