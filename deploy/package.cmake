# What "cmake --install" brings beside the program, and the Debian package that CPack makes of it ("cpack -G DEB" in the build folder).
set(MAILWEIR_UNIT_DIR lib/systemd/system CACHE STRING "Where systemd's units go, below the prefix")

set(SBIN ${CMAKE_INSTALL_FULL_SBINDIR})
configure_file(deploy/systemd/mailweir.service.in mailweir.service @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/mailweir.service deploy/systemd/mailweir.socket DESTINATION ${MAILWEIR_UNIT_DIR})
install(FILES deploy/systemd/mailweir.sysusers DESTINATION lib/sysusers.d RENAME mailweir.conf)
install(FILES deploy/systemd/mailweir.tmpfiles DESTINATION lib/tmpfiles.d RENAME mailweir.conf)
install(FILES filters/schema/config.schema.json filters/schema/rules.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/mailweir/schema)
install(DIRECTORY filters/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
# What watches it: for Prometheus, Grafana and whoever reads the log.
install(FILES deploy/prometheus-alerts.yml deploy/grafana-dashboard.json DESTINATION ${CMAKE_INSTALL_DATADIR}/mailweir)
install(FILES deploy/doc/log.schema.json deploy/doc/openapi.json DESTINATION ${CMAKE_INSTALL_DATADIR}/mailweir/schema)
install(FILES deploy/doc/operators-guide.md deploy/doc/recipes.md deploy/doc/rules.md deploy/doc/security.md deploy/doc/upgrading.md deploy/doc/figures.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY deploy/sample/configurations DESTINATION ${CMAKE_INSTALL_DOCDIR})
# A configuration that somebody has written is never replaced; the package manager keeps it by itself (conffiles).
install(CODE "
  set(etc ${CMAKE_INSTALL_FULL_SYSCONFDIR}/mailweir)
  if(NOT EXISTS \"\$ENV{DESTDIR}\${etc}/mailweir.json\")
    file(INSTALL ${CMAKE_SOURCE_DIR}/deploy/etc/ DESTINATION \${etc})
  endif()")

# Manuals, packed as Debian packs them, and completions, which the program prints itself.
foreach(page mailweir.8 mailweir.conf.5 mailweir-rules.5 mailweir-guide.7 mailweir-recipes.7 mailweir-security.7 mailweir-upgrading.7
        mailweir-figures.7)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS deploy/doc/${page})
  execute_process(COMMAND gzip -9n -c ${CMAKE_SOURCE_DIR}/deploy/doc/${page} OUTPUT_FILE ${CMAKE_BINARY_DIR}/${page}.gz)
  string(REGEX MATCH "[0-9]$" section ${page})
  install(FILES ${CMAKE_BINARY_DIR}/${page}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
set(completions bash mailweir bash-completion/completions zsh _mailweir zsh/vendor-completions fish mailweir.fish
    fish/vendor_completions.d)
while(completions)
  list(POP_FRONT completions shell file folder)
  add_custom_command(OUTPUT completion/${file}.${shell} COMMAND mailweir completion ${shell} >completion/${file}.${shell}
    DEPENDS mailweir COMMENT "Completion for ${shell}")
  list(APPEND completion_files completion/${file}.${shell})
  install(FILES ${CMAKE_BINARY_DIR}/completion/${file}.${shell} DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder} RENAME ${file})
endwhile()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/completion)
add_custom_target(completions ALL DEPENDS ${completion_files})

install(FILES deploy/debian/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})
execute_process(COMMAND gzip -9n -c ${CMAKE_SOURCE_DIR}/deploy/debian/changelog OUTPUT_FILE ${CMAKE_BINARY_DIR}/changelog.gz)
install(FILES ${CMAKE_BINARY_DIR}/changelog.gz DESTINATION ${CMAKE_INSTALL_DOCDIR})

# For the package, configure with -DCMAKE_INSTALL_PREFIX=/usr.
set(CPACK_GENERATOR DEB)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_NAME mailweir)
set(CPACK_PACKAGE_VENDOR mailweir)
set(CPACK_PACKAGE_CONTACT "mailweir maintainers <maintainers@mailweir.example>")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "SMTP-to-IMAP relay gateway with filtering
Takes mail over SMTP or LMTP, decides by rules that are JSON files, and files
it with IMAP APPEND into folders of IMAP servers. What it has acknowledged is
on the disk until the server has it, and nothing is filed twice.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/deploy/debian/conffiles ${CMAKE_SOURCE_DIR}/deploy/debian/postinst
    ${CMAKE_SOURCE_DIR}/deploy/debian/prerm ${CMAKE_SOURCE_DIR}/deploy/debian/postrm)
include(CPack)
