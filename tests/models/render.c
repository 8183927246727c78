/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * render: chat templates, for tests. Standard input has objects {"template", "variables", "now"},
 * a line each; standard output has for each {"text"} or {"error"}.
 */
#include "engine/template.h"

#include <stdio.h>
#include <stdlib.h>

static void stop(const char *what)
{
    fprintf(stderr, "render: %s\n", what);
    exit(1);
}

static json_t *answer(const json_t *request)
{
    const json_t *text = json_object_get(request, "template");
    struct failure failure = {""};
    struct text out = {0};
    struct template *template;
    json_t *result;
    int status = -1;

    template = template_new(json_string_value(text), json_string_length(text), "t", &failure);
    if (template)
        status = template_render(template, json_object_get(request, "variables"),
                                 (time_t)json_integer_value(json_object_get(request, "now")), &out,
                                 &failure);
    template_free(template);
    result = status == 0 ? json_pack("{s:s%}", "text", out.bytes ? out.bytes : "", out.size)
                         : json_pack("{s:s}", "error", failure.text);
    text_free(&out);
    return result;
}

int main(void)
{
    const size_t flags = JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL;
    json_t *request;

    while ((request = json_loadf(stdin, flags, NULL))) {
        json_t *result = answer(request);

        if (!result || json_dumpf(result, stdout, JSON_COMPACT) < 0 || putchar('\n') < 0)
            stop("cannot write an answer");
        json_decref(result);
        json_decref(request);
    }
    if (!feof(stdin))
        stop("a request is no JSON");
    return fflush(stdout) == 0 ? 0 : 1;
}
