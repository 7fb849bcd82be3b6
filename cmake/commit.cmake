# Writes OUT, which tools/command.h declares: the commit of SOURCE, with -dirty where its files differ from that; in an archive, what
# git archive puts into the next line; else nothing.
set(commit "$Format:%H$")
if(NOT commit MATCHES "^[0-9a-f]+$")
  set(commit "")
  if(EXISTS ${SOURCE}/.git) # not that of a project which holds a copy of ours
    execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=40 --exclude=*
                    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "extern const char rf_commit[];\nconst char rf_commit[] = \"${commit}\";\n")
