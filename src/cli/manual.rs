//! `man`: pages rendered from the one clap definition.

use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::print::print;
use anyhow::Context;
use clap::CommandFactory;
use std::path::Path;

/// Prints the main page, or writes one page a command into a folder.
pub fn run(out: Option<&Path>) -> anyhow::Result<Exit> {
    let Some(folder) = out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        return print(String::from_utf8_lossy(&page));
    };
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (name, page) in pages()? {
        let path = folder.join(name);
        std::fs::write(&path, page).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(Exit::Done)
}

/// All pages by file name: `stp-audit.1`, `stp-audit-infer.1`, ...
pub fn pages() -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut command = Cli::command();
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    Ok(pages)
}

fn collect(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let name = command
        .get_display_name()
        .unwrap_or(command.get_name())
        .to_string();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().name(name.clone())).render(&mut page)?;
    pages.push((format!("{name}.1"), page));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        collect(sub, pages)?;
    }
    Ok(())
}
