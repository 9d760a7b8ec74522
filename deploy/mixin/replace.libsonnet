// The text with the keys of values replaced by their values.
function(text, values) std.foldl(function(text, from) std.strReplace(text, from, values[from]), std.objectFields(values), text)
