# cmake --install, and Debian packages (cpack): convoy-node is the agent and the engine, convoy the
# simulator, which learns with that engine. Programs find their libraries from where they are, so
# that a prefix may be anywhere.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)  # a LibTorch that is not the system's stays found
set(convoy_libraries lib/convoy)           # engine/api/library.hpp
set_target_properties(convoy-node convoy_learning PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)

install(TARGETS convoy-node RUNTIME DESTINATION bin COMPONENT node)
install(TARGETS convoy_learning LIBRARY DESTINATION ${convoy_libraries} COMPONENT node)
# The unit names the program where it is installed; a package is made elsewhere than it is for.
install(CODE "
  string(REGEX REPLACE \"^.*/_CPack_Packages/.*/usr$\" /usr prefix \"\${CMAKE_INSTALL_PREFIX}\")
  file(READ \"${PROJECT_SOURCE_DIR}/hil/agent/convoy-node.service\" unit)
  string(REPLACE /opt/convoy/convoy-node \"\${prefix}/bin/convoy-node\" unit \"\${unit}\")
  string(REGEX REPLACE \"# systemd unit of the agent. Install:\\n(#   [^\\n]*\\n)*\" \"\" unit \"\${unit}\")
  file(WRITE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/systemd/system/convoy-node.service\"
       \"\${unit}\")
" COMPONENT node)
install(FILES hil/README.md LICENSE DESTINATION share/doc/convoy-node COMPONENT node)

if(NOT CONVOY_NODE_ONLY)
  install(TARGETS convoy RUNTIME DESTINATION bin COMPONENT convoy)
  if(OMPI_FOUND)
    install(TARGETS convoy_mpi LIBRARY DESTINATION ${convoy_libraries} COMPONENT convoy)
  endif()
  install(DIRECTORY scenarios DESTINATION share/convoy COMPONENT convoy)
  # To copy from: the catalogue itself is in the program.
  install(DIRECTORY platforms/devices platforms/links platforms/fleets
          DESTINATION share/convoy/platforms COMPONENT convoy FILES_MATCHING PATTERN "*.toml")
  install(FILES README.md LICENSE DESTINATION share/doc/convoy COMPONENT convoy)
endif()

# --- packages -----------------------------------------------------------------------------------

set(release unknown)
if(EXISTS /etc/os-release)
  file(STRINGS /etc/os-release facts REGEX "^(ID|VERSION_ID)=")
  foreach(fact IN LISTS facts)
    if(fact MATCHES "^ID=\"?([a-z]+)")
      set(system ${CMAKE_MATCH_1})
    elseif(fact MATCHES "^VERSION_ID=\"?([0-9]+)")
      set(number ${CMAKE_MATCH_1})
    endif()
  endforeach()
  string(REPLACE debian deb release "${system}${number}")
endif()
execute_process(COMMAND dpkg --print-architecture OUTPUT_VARIABLE architecture
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION}~${release})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_CONTACT "Convoy's developers <convoy@localhost>")
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL node)
set(CPACK_DEBIAN_NODE_PACKAGE_NAME convoy-node)
set(CPACK_DEBIAN_NODE_FILE_NAME convoy-node_${CPACK_PACKAGE_VERSION}_${architecture}.deb)
set(CPACK_COMPONENT_NODE_DESCRIPTION
    "Agent of Convoy\n Trains on this device for a coordinator, with LibTorch.")
# LibTorch asks for some BLAS; Debian's reference BLAS would be many times slower.
set(CPACK_DEBIAN_NODE_PACKAGE_DEPENDS "libopenblas0-pthread | libopenblas0")
if(NOT CONVOY_NODE_ONLY)
  list(APPEND CPACK_COMPONENTS_ALL convoy)
  set(CPACK_DEBIAN_CONVOY_PACKAGE_NAME convoy)
  set(CPACK_DEBIAN_CONVOY_FILE_NAME convoy_${CPACK_PACKAGE_VERSION}_${architecture}.deb)
  set(CPACK_COMPONENT_CONVOY_DESCRIPTION
      "Simulator of training on unequal edge devices\n Federated learning in virtual time, with links, stragglers, traces and real devices.")
  # The engine, opened where a run learns, comes with the agent.
  set(CPACK_DEBIAN_CONVOY_PACKAGE_DEPENDS "convoy-node (= ${CPACK_PACKAGE_VERSION})")
  set(CPACK_DEBIAN_CONVOY_PACKAGE_RECOMMENDS openmpi-bin)
endif()
include(CPack)
